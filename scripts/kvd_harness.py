# SPDX-License-Identifier: Apache-2.0
"""The cluster harness of kvd's own tests (examples-c/kvd/tests/kvd_cluster.py), for the scripts of this folder."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "examples-c/kvd/tests"))

from kvd_cluster import PATIENCE, REFUSALS, Cluster, ClusterError, free_ports, kvd_binary, wait_until

__all__ = ["PATIENCE", "REFUSALS", "Cluster", "ClusterError", "free_ports", "kvd_binary", "wait_until"]
