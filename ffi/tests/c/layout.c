// SPDX-License-Identifier: Apache-2.0
//
// The structs are laid out as programs that were compiled earlier believe (64-bit platforms). The
// same numbers are in ffi/tests/layout.rs: a change here breaks the binary interface.

#include "raftcore.h"

#define SIZE(type, size) _Static_assert(sizeof(type) == (size), "size of " #type)
#define AT(type, field, at) _Static_assert(offsetof(type, field) == (at), #type "." #field)

#if UINTPTR_MAX == UINT64_MAX

SIZE(raft_config, 152);
AT(raft_config, struct_size, 0);
AT(raft_config, id, 8);
AT(raft_config, seed, 16);
AT(raft_config, applied, 24);
AT(raft_config, election_ticks, 32);
AT(raft_config, heartbeat_ticks, 36);
AT(raft_config, max_message_bytes, 40);
AT(raft_config, max_inflight_bytes, 48);
AT(raft_config, max_uncommitted_bytes, 56);
AT(raft_config, max_committed_bytes_per_ready, 64);
AT(raft_config, log_cache_bytes, 72);
AT(raft_config, max_inflight_messages, 80);
AT(raft_config, read_mode, 84);
AT(raft_config, dialect, 88);
AT(raft_config, pre_vote, 92);
AT(raft_config, check_quorum, 93);
AT(raft_config, forward_proposals, 94);
AT(raft_config, validate_conf_changes, 95);
AT(raft_config, step_down_on_removal, 96);
AT(raft_config, etcd_compat, 97);
AT(raft_config, eager_append, 97);
AT(raft_config, priority, 104);
AT(raft_config, async_storage_writes, 112);
AT(raft_config, apply_before_persist, 113);
AT(raft_config, lend_snapshots, 114);
AT(raft_config, group_id, 120);
AT(raft_config, max_waiting_bytes, 128);
AT(raft_config, max_waiting_messages, 136);
AT(raft_config, max_uncommitted_entries, 140);
AT(raft_config, max_pending_reads, 144);

SIZE(raft_slice, 16);
AT(raft_slice, data, 0);
AT(raft_slice, len, 8);

SIZE(raft_entry, 40);
AT(raft_entry, term, 0);
AT(raft_entry, index, 8);
AT(raft_entry, kind, 16);
AT(raft_entry, flags, 20);
AT(raft_entry, data, 24);

SIZE(raft_conf_state, 72);
AT(raft_conf_state, voters, 0);
AT(raft_conf_state, voters_len, 8);
AT(raft_conf_state, learners, 16);
AT(raft_conf_state, learners_len, 24);
AT(raft_conf_state, voters_outgoing, 32);
AT(raft_conf_state, voters_outgoing_len, 40);
AT(raft_conf_state, learners_next, 48);
AT(raft_conf_state, learners_next_len, 56);
AT(raft_conf_state, auto_leave, 64);

SIZE(raft_snapshot, 104);
AT(raft_snapshot, term, 0);
AT(raft_snapshot, index, 8);
AT(raft_snapshot, conf_state, 16);
AT(raft_snapshot, data, 88);

SIZE(raft_hard_state, 24);
AT(raft_hard_state, term, 0);
AT(raft_hard_state, vote, 8);
AT(raft_hard_state, commit, 16);

SIZE(raft_storage, 80);
AT(raft_storage, struct_size, 0);
AT(raft_storage, context, 8);
AT(raft_storage, initial_state, 16);
AT(raft_storage, entries, 24);
AT(raft_storage, term, 32);
AT(raft_storage, first_index, 40);
AT(raft_storage, last_index, 48);
AT(raft_storage, snapshot, 56);
AT(raft_storage, release, 64);
AT(raft_storage, snapshot_for, 72);

SIZE(raft_entry_id, 16);
AT(raft_entry_id, term, 0);
AT(raft_entry_id, index, 8);

SIZE(raft_soft_state, 16);
AT(raft_soft_state, leader, 0);
AT(raft_soft_state, role, 8);

SIZE(raft_message, 32);
AT(raft_message, to, 0);
AT(raft_message, type, 8);
AT(raft_message, requires_persistence, 12);
AT(raft_message, bytes, 16);

SIZE(raft_read_state, 24);
AT(raft_read_state, index, 0);
AT(raft_read_state, context, 8);

SIZE(raft_ack, 40);
AT(raft_ack, kind, 0);
AT(raft_ack, flags, 4);
AT(raft_ack, numbers, 8);

SIZE(raft_snapshot_message, 32);
AT(raft_snapshot_message, to, 0);
AT(raft_snapshot_message, message, 8);
AT(raft_snapshot_message, snapshot, 24);

SIZE(raft_ready_view, 192);
AT(raft_ready_view, struct_size, 0);
AT(raft_ready_view, must_sync, 8);
AT(raft_ready_view, has_soft_state, 9);
AT(raft_ready_view, has_hard_state, 10);
AT(raft_ready_view, has_snapshot, 11);
AT(raft_ready_view, has_storage_append, 12);
AT(raft_ready_view, soft_state, 16);
AT(raft_ready_view, hard_state, 32);
AT(raft_ready_view, entries, 56);
AT(raft_ready_view, entries_len, 64);
AT(raft_ready_view, snapshot, 72);
AT(raft_ready_view, snapshot_encoded, 80);
AT(raft_ready_view, committed_entries, 96);
AT(raft_ready_view, committed_entries_len, 104);
AT(raft_ready_view, messages, 112);
AT(raft_ready_view, messages_len, 120);
AT(raft_ready_view, read_states, 128);
AT(raft_ready_view, read_states_len, 136);
AT(raft_ready_view, storage_acks, 144);
AT(raft_ready_view, storage_acks_len, 152);
AT(raft_ready_view, apply_ack, 160);
AT(raft_ready_view, snapshot_buffer, 168);
AT(raft_ready_view, snapshot_messages, 176);
AT(raft_ready_view, snapshot_messages_len, 184);

SIZE(raft_persist, 64);
AT(raft_persist, entries, 0);
AT(raft_persist, entries_len, 8);
AT(raft_persist, hard_state, 16);
AT(raft_persist, snapshot, 24);
AT(raft_persist, snapshot_encoded, 32);
AT(raft_persist, must_sync, 48);
AT(raft_persist, snapshot_buffer, 56);

SIZE(raft_host, 80);
AT(raft_host, struct_size, 0);
AT(raft_host, context, 8);
AT(raft_host, persist, 16);
AT(raft_host, send, 24);
AT(raft_host, apply, 32);
AT(raft_host, apply_snapshot, 40);
AT(raft_host, apply_conf_change, 48);
AT(raft_host, read, 56);
AT(raft_host, state_changed, 64);
AT(raft_host, send_snapshot, 72);

SIZE(raft_message_info, 56);
AT(raft_message_info, struct_size, 0);
AT(raft_message_info, type, 8);
AT(raft_message_info, from, 16);
AT(raft_message_info, to, 24);
AT(raft_message_info, term, 32);
AT(raft_message_info, entries, 40);
AT(raft_message_info, payload_bytes, 48);

SIZE(raft_message_fields, 128);
AT(raft_message_fields, struct_size, 0);
AT(raft_message_fields, type, 8);
AT(raft_message_fields, reject, 12);
AT(raft_message_fields, transfer, 13);
AT(raft_message_fields, from, 16);
AT(raft_message_fields, to, 24);
AT(raft_message_fields, term, 32);
AT(raft_message_fields, log_term, 40);
AT(raft_message_fields, index, 48);
AT(raft_message_fields, reject_hint, 56);
AT(raft_message_fields, commit, 64);
AT(raft_message_fields, priority, 72);
AT(raft_message_fields, entries, 80);
AT(raft_message_fields, entries_len, 88);
AT(raft_message_fields, context, 96);
AT(raft_message_fields, snapshot, 112);
AT(raft_message_fields, commit_term, 120);

SIZE(raft_conf_change_op, 16);
AT(raft_conf_change_op, kind, 0);
AT(raft_conf_change_op, node, 8);

SIZE(raft_conf_change, 48);
AT(raft_conf_change, struct_size, 0);
AT(raft_conf_change, ops, 8);
AT(raft_conf_change, ops_len, 16);
AT(raft_conf_change, transition, 24);
AT(raft_conf_change, context, 32);

SIZE(raft_node_status_info, 104);
AT(raft_node_status_info, struct_size, 0);
AT(raft_node_status_info, id, 8);
AT(raft_node_status_info, term, 16);
AT(raft_node_status_info, vote, 24);
AT(raft_node_status_info, commit, 32);
AT(raft_node_status_info, applied, 40);
AT(raft_node_status_info, persisted, 48);
AT(raft_node_status_info, stabled, 48);
AT(raft_node_status_info, first_index, 56);
AT(raft_node_status_info, last_index, 64);
AT(raft_node_status_info, last_term, 72);
AT(raft_node_status_info, leader, 80);
AT(raft_node_status_info, transferee, 88);
AT(raft_node_status_info, role, 96);
AT(raft_node_status_info, is_voter, 100);

SIZE(raft_memory_storage_info, 72);
AT(raft_memory_storage_info, struct_size, 0);
AT(raft_memory_storage_info, hard_state, 8);
AT(raft_memory_storage_info, first_index, 32);
AT(raft_memory_storage_info, last_index, 40);
AT(raft_memory_storage_info, last_term, 48);
AT(raft_memory_storage_info, snapshot_index, 56);
AT(raft_memory_storage_info, snapshot_term, 64);

SIZE(raft_progress, 56);
AT(raft_progress, id, 0);
AT(raft_progress, matched, 8);
AT(raft_progress, next, 16);
AT(raft_progress, pending_snapshot, 24);
AT(raft_progress, state, 32);
AT(raft_progress, is_learner, 36);
AT(raft_progress, is_paused, 37);
AT(raft_progress, is_active, 38);
AT(raft_progress, is_inflight_full, 39);
AT(raft_progress, inflight_messages, 40);
AT(raft_progress, inflight_bytes, 48);

SIZE(raft_observer, 64);
AT(raft_observer, struct_size, 0);
AT(raft_observer, context, 8);
AT(raft_observer, log, 16);
AT(raft_observer, trace, 24);
AT(raft_observer, release, 32);
AT(raft_observer, log_level, 40);
AT(raft_observer, time, 48);
AT(raft_observer, trace_format, 56);

SIZE(raft_checked_storage, 64);
AT(raft_checked_storage, struct_size, 0);
AT(raft_checked_storage, context, 8);
AT(raft_checked_storage, storage, 16);
AT(raft_checked_storage, reset, 24);
AT(raft_checked_storage, persist, 32);
AT(raft_checked_storage, compact, 40);
AT(raft_checked_storage, reopen, 48);
AT(raft_checked_storage, set_failing, 56);

SIZE(raft_storage_finding, 48);
AT(raft_storage_finding, struct_size, 0);
AT(raft_storage_finding, rule, 8);
AT(raft_storage_finding, demand, 16);
AT(raft_storage_finding, outcome, 24);
AT(raft_storage_finding, expected, 32);
AT(raft_storage_finding, got, 40);

SIZE(raft_log_position, 40);
AT(raft_log_position, node, 0);
AT(raft_log_position, term, 8);
AT(raft_log_position, last, 16);
AT(raft_log_position, commit, 32);

SIZE(raft_recovery_request, 56);
AT(raft_recovery_request, struct_size, 0);
AT(raft_recovery_request, node, 8);
AT(raft_recovery_request, applied, 16);
AT(raft_recovery_request, members, 24);
AT(raft_recovery_request, survivors, 32);
AT(raft_recovery_request, survivors_len, 40);
AT(raft_recovery_request, dialect, 48);

SIZE(raft_recovery_plan, 128);
AT(raft_recovery_plan, struct_size, 0);
AT(raft_recovery_plan, persist, 8);
AT(raft_recovery_plan, before, 16);
AT(raft_recovery_plan, last, 88);
AT(raft_recovery_plan, committed, 104);
AT(raft_recovery_plan, changes, 112);
AT(raft_recovery_plan, may_miss_committed, 120);

#endif
