# SPDX-License-Identifier: Apache-2.0
"""The cluster harness of kvd's own tests (examples-c/kvd/tests/kvd_cluster.py), for the scripts of this folder."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "examples-c/kvd/tests"))

from kvd_cluster import Cluster, ClusterError, kvd_binary, wait_until

__all__ = ["Cluster", "ClusterError", "kvd_binary", "wait_until"]
