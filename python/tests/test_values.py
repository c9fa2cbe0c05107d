# SPDX-License-Identifier: Apache-2.0
"""The value classes: immutable, comparable, printable, matchable, and fit to be pickled."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest

import raftcore
from raftcore import (
    ConfChange,
    ConfChangeKind,
    Config,
    ConfigError,
    ConfState,
    Entry,
    EntryId,
    EntryKind,
    HardState,
    MemoryStorage,
    Message,
    RawNode,
    ReadMode,
    ReadState,
    Role,
    Snapshot,
    SoftState,
    _raftcore,
    rpc,
)

VALUES = [
    (EntryId(2, 7), "EntryId(term=2, index=7)"),
    (HardState(2, 1, 7), "HardState(term=2, vote=1, commit=7)"),
    (SoftState(None, Role.CANDIDATE), "SoftState(leader=None, role=Role.CANDIDATE)"),
    (SoftState(3, Role.FOLLOWER), "SoftState(leader=3, role=Role.FOLLOWER)"),
    (ReadState(7, b"\x00a"), 'ReadState(index=7, context=b"\\x00a")'),
    (ConfState({1, 2}), "ConfState(voters=[1, 2])"),
    (
        ConfState([1], [4], [2, 3], [3], True),
        "ConfState(voters=[1], learners=[4], voters_outgoing=[2, 3], learners_next=[3],"
        " auto_leave=True)",
    ),
    (Entry(2, 7, b"x"), 'Entry(term=2, index=7, data=b"x")'),
    (
        Entry(2, 7, b"x", EntryKind.CONF_CHANGE_V2),
        'Entry(term=2, index=7, data=b"x", kind=EntryKind.CONF_CHANGE_V2)',
    ),
    (
        Snapshot(2, 7, ConfState([1]), b"x"),
        'Snapshot(term=2, index=7, conf_state=ConfState(voters=[1]), data=b"x")',
    ),
    (
        Message(1, 2, 3, rpc.Append(EntryId(2, 6), 5, (Entry(2, 7, b"x"),))),
        "<Message APPEND 1->2 term=3 prev=2/6 commit=5 entries=1>",
    ),
    (ConfChange.remove(3), None),
    (Config(1, election_ticks=20), None),
    (rpc.AppendReply(7, EntryId(1, 3)), "AppendReply(index=7, hint=EntryId(term=1, index=3))"),
]


@pytest.mark.parametrize(("value", "text"), VALUES)
def test_a_value_prints_itself(value: object, text: str | None) -> None:
    if text is not None:
        assert repr(value) == text


@pytest.mark.parametrize("value", [value for value, _ in VALUES])
def test_copies_are_equal_and_hash_alike(value: object) -> None:
    for twin in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):
        assert twin == value
        assert hash(twin) == hash(value)
    assert value != object()


@pytest.mark.parametrize("value", [value for value, _ in VALUES])
def test_a_value_is_immutable(value: object) -> None:
    name: str = value.__match_args__[0]  # type: ignore[attr-defined]
    before = getattr(value, name)
    with pytest.raises(AttributeError):
        setattr(value, name, before)
    with pytest.raises((AttributeError, TypeError)):
        value.anything = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", [value for value, _ in VALUES])
def test_match_args_name_the_constructor_s_arguments(value: object) -> None:
    arguments = [getattr(value, name) for name in value.__match_args__]  # type: ignore[attr-defined]
    if not isinstance(value, Config):
        assert type(value)(*arguments) == value


def test_values_can_be_matched() -> None:
    message = Message(1, 2, 3, rpc.Append(EntryId(2, 6), 5, (Entry(2, 7, b"x"),)))
    match message:
        case Message(_, 2, body=rpc.Append(EntryId(2, index), _, (Entry(data=data), *_))):
            assert (index, data) == (6, b"x")
        case _:
            pytest.fail("no match")


def test_entry_ids_are_ordered_as_elections_compare_logs() -> None:
    ids = [EntryId(2, 1), EntryId(1, 9), EntryId(2, 0)]
    assert sorted(ids) == [EntryId(1, 9), EntryId(2, 0), EntryId(2, 1)]


def test_a_stated_kind_tells_entries_apart_and_survives() -> None:
    plain, stated = Entry(1, 2), Entry(1, 2, kind_stated=True)
    assert plain != stated
    assert pickle.loads(pickle.dumps(stated)).kind_stated
    assert stated.encoded_len == plain.encoded_len + 2 == len(stated.encode())


def test_long_data_is_abbreviated() -> None:
    text = repr(Entry(1, 2, bytes(1_000_000)))
    assert "1000000 bytes" in text
    assert len(text) < 500


def test_numbers_outside_of_64_bits_are_refused() -> None:
    for number in (-1, 1 << 64):
        with pytest.raises(OverflowError):
            EntryId(number, 1)
    assert EntryId((1 << 64) - 1, 0).term == (1 << 64) - 1


@pytest.mark.parametrize("data", ["text", 7, None, [1]])
def test_a_payload_is_bytes(data: object) -> None:
    with pytest.raises(TypeError, match="bytes-like object is required"):
        Entry(1, 2, data)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 100_000])
def test_a_payload_is_not_changed_by_its_owner_later(size: int) -> None:
    data = bytearray(b"x" * size)
    entries = [Entry(1, 2, kind(data)) for kind in (bytes, bytearray, lambda it: it, memoryview)]
    data[:] = b"y" * size
    assert {entry.data for entry in entries} == {b"x" * size}


def test_membership() -> None:
    state = ConfState([1], [4], [2, 3])
    assert [id in state for id in range(6)] == [False, True, True, True, True, False]


def test_the_defaults_of_a_configuration_are_the_core_s() -> None:
    assert dataclasses.asdict(Config(1)) == _raftcore.config_defaults()


def test_without_a_seed_timeouts_follow_from_node_and_group() -> None:
    """The same numbers are in the tests of Rust, C and Go."""

    def timeout(group_id: int, node_id: int) -> int:
        node = RawNode(Config(node_id, group_id=group_id), MemoryStorage(ConfState([1, 2, 3])))
        for ticks in range(1, 100):
            node.tick()
            if node.soft_state.role != Role.FOLLOWER:
                return ticks
        raise AssertionError

    groups = (0, 1, 77, (1 << 64) - 1)
    timeouts = [[timeout(group_id, node_id) for node_id in (1, 2, 3)] for group_id in groups]
    assert timeouts == [[11, 15, 19], [14, 12, 13], [10, 13, 13], [15, 18, 11]]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", 0),
        ("group_id", -1),
        ("heartbeat_ticks", 0),
        ("election_ticks", 1),
        ("max_inflight_messages", 0),
        ("max_inflight_bytes", 1),
        ("max_uncommitted_bytes", 0),
        ("max_committed_bytes_per_ready", 0),
        ("max_uncommitted_entries", 0),
        ("max_pending_reads", 0),
        ("max_waiting_messages", 0),
        ("max_waiting_bytes", 0),
        ("seed", -1),
        ("election_ticks", 1 << 32),
        ("read_mode", 9),
        ("dialect", "latin"),
    ],
)
def test_an_unusable_configuration_names_the_field(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=field) as raised:
        Config(**{"id": 1, field: value})  # type: ignore[arg-type]
    assert raised.value.field == field
    assert isinstance(raised.value, ValueError)


def test_changed_copies_are_checked_too() -> None:
    config = Config(1, election_ticks=20)
    assert dataclasses.replace(config, heartbeat_ticks=3).election_ticks == 20
    with pytest.raises(ConfigError, match="read_mode"):
        dataclasses.replace(config, read_mode=ReadMode.LEASE, check_quorum=False)


def test_a_value_of_the_wrong_type_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="election_ticks"):
        Config(1, election_ticks="10")  # type: ignore[arg-type]


def test_an_unknown_number_is_no_enumerator() -> None:
    with pytest.raises(ValueError, match="EntryKind"):
        Entry(1, 2, b"", 9)  # type: ignore[arg-type]
    assert [kind.value for kind in ConfChangeKind] == [0, 1, 2, 3]


def test_all_that_is_public_is_there_and_documented() -> None:
    for name in raftcore.__all__:
        value = getattr(raftcore, name)
        assert name == "__version__" or value.__doc__, name


@pytest.mark.parametrize(
    ("config", "peer", "field"),
    [
        (Config(1), Config(2), None),
        (Config(1, group_id=7), Config(2, group_id=8), "group_id"),
        (Config(1, group_id=7), Config(2), None),
        (Config(1), Config(2, dialect="tikv"), "dialect"),
        (
            Config(1, read_mode=ReadMode.LEASE),
            Config(2, read_mode=ReadMode.LEASE, election_ticks=11),
            "election_ticks",
        ),
        (Config(1, read_mode=ReadMode.LEASE), Config(2, election_ticks=11), None),
    ],
)
def test_a_handshake_names_what_members_do_not_agree_on(
    config: Config, peer: Config, field: str | None
) -> None:
    handshake = peer.handshake()
    if field is None:
        config.check_handshake(handshake)
        return
    with pytest.raises(ConfigError) as raised:
        config.check_handshake(handshake)
    assert raised.value.field == field


def test_bytes_that_are_no_handshake_are_refused() -> None:
    with pytest.raises(ConfigError, match="handshake"):
        Config(1).check_handshake(b"GET / HTTP/1.1")
