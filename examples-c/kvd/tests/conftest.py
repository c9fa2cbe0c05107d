# SPDX-License-Identifier: Apache-2.0
"""kvd end to end: real processes on loopback, real clients.

    KVD=build/examples-c/kvd/kvd pytest examples-c/kvd/tests

No test fails because the machine is slow: what is waited for may take long (kvd_cluster.PATIENCE), a
leader may change at any time, and what was refused for that is asked again (Cluster.leader_client).
"""

import shutil

import pytest

from kvd_cluster import Cluster


# No write is given up because it takes long.
PATIENT = ("--request-timeout-ms", "60000")


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """A cluster for tests that leave it as it was. It keeps its leader through pauses of seconds, as
    pipelines and raw connections do not follow one."""
    options = [*PATIENT, "--election-ticks", "80"]
    with Cluster(tmp_path_factory.mktemp("kvd"), options=options) as cluster:
        yield cluster
    for node in cluster.ids:
        shutil.rmtree(cluster.data_directory(node))


@pytest.fixture
def leader(shared):
    """An empty key space and a client of the leader."""
    with shared.leader_client() as client:
        client.flushall()
        yield client


@pytest.fixture
def make_cluster(tmp_path):
    """Makes a cluster of the test's own: make_cluster(*options, **named) with the arguments of Cluster."""

    def make(*options, **named):
        patient = () if PATIENT[0] in options else PATIENT
        return Cluster(tmp_path / "cluster", options=[*patient, *options], **named)

    return make
