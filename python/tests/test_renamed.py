# SPDX-License-Identifier: Apache-2.0
"""Old names work for one release, and say what the new one is."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from raftcore import BasicStatus, Config, ConfState, MemoryStorage, RawNode, Status


def test_a_config_takes_and_shows_its_old_names() -> None:
    with pytest.warns(DeprecationWarning, match="etcd_compat"):
        config = Config(1, eager_append=True)  # type: ignore[call-arg]
    assert config == Config(1, etcd_compat=True)
    with pytest.warns(DeprecationWarning, match="etcd_compat") as warned:
        assert config.eager_append
    assert warned[0].filename == __file__
    with pytest.warns(DeprecationWarning, match="etcd_compat"):
        changed = dataclasses.replace(config, eager_append=False)  # type: ignore[call-arg]
    assert changed == Config(1)
    with pytest.raises(TypeError):
        Config(1, no_such_name=True)  # type: ignore[call-arg]
    assert "etcd_compat" in inspect.signature(Config).parameters


def test_a_status_shows_its_old_names() -> None:
    node = RawNode(Config(1), MemoryStorage(ConfState([1])))
    assert issubclass(Status, BasicStatus)
    for status in (node.status(), node.basic_status()):
        with pytest.warns(DeprecationWarning, match="persisted"):
            assert status.stabled == status.persisted == 1
