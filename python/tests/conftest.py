# SPDX-License-Identifier: Apache-2.0
"""Fixtures that several tests share."""

from __future__ import annotations

import pytest

from cluster import Cluster, ListStorage, MakeStorage
from raftcore import MemoryStorage


@pytest.fixture(params=[ListStorage, MemoryStorage])
def storage(request: pytest.FixtureRequest) -> MakeStorage:
    """A storage written in Python, and the library's own."""
    make: MakeStorage = request.param
    return make


@pytest.fixture
def three(storage: MakeStorage) -> Cluster:
    """Three nodes, of which nobody leads yet."""
    return Cluster([1, 2, 3], storage)
