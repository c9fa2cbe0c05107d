/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge.h"
#include "_cgo_export.h"

static raft_status initial_state(void *context, raft_hard_state *hard_state, raft_conf_state_sink *conf_state) {
  return raftcoreGoInitialState((uintptr_t)context, hard_state, conf_state);
}

static raft_status entries(void *context, uint64_t low, uint64_t high, uint64_t max_bytes, raft_entry_sink *out) {
  return raftcoreGoEntries((uintptr_t)context, low, high, max_bytes, out);
}

static raft_status term(void *context, uint64_t index, uint64_t *out) {
  return raftcoreGoTerm((uintptr_t)context, index, out);
}

static raft_status first_index(void *context, uint64_t *out) {
  return raftcoreGoFirstIndex((uintptr_t)context, out);
}

static raft_status last_index(void *context, uint64_t *out) {
  return raftcoreGoLastIndex((uintptr_t)context, out);
}

static raft_status snapshot(void *context, raft_snapshot_sink *out) {
  return raftcoreGoSnapshot((uintptr_t)context, out);
}

static raft_status snapshot_for(void *context, uint64_t peer, raft_snapshot_sink *out) {
  return raftcoreGoSnapshotFor((uintptr_t)context, peer, out);
}

/* No release callback: Go deletes the handle itself, after raft_node_free or a failed raft_node_new. */
raft_status raftcore_go_node_new(const raft_config *config, uintptr_t handle, raft_node **out) {
  const raft_storage storage = {
      .struct_size = sizeof storage,
      .context = (void *)handle,
      .initial_state = initial_state,
      .entries = entries,
      .term = term,
      .first_index = first_index,
      .last_index = last_index,
      .snapshot = snapshot,
      .snapshot_for = snapshot_for,
  };
  return raft_node_new(config, &storage, out);
}

raft_status raftcore_go_check_handshake(const raft_config *config, const uint8_t *data, size_t len) {
  return raft_config_check_handshake(config, raft_slice_of(data, len));
}

raft_status raftcore_go_step(raft_node *node, const uint8_t *data, size_t len) {
  return raft_step(node, raft_slice_of(data, len));
}

raft_status raftcore_go_propose(raft_node *node, const uint8_t *data, size_t len, raft_entry_id *placed) {
  return raft_propose(node, raft_slice_of(data, len), placed);
}

raft_status raftcore_go_propose_conf_change(raft_node *node, const raft_conf_change_op *ops, size_t ops_len,
                                            int32_t transition, const uint8_t *context, size_t context_len,
                                            raft_entry_id *placed) {
  return raft_propose_conf_change(node, ops, ops_len, transition, raft_slice_of(context, context_len), placed);
}

raft_status raftcore_go_propose_conf_change_v1(raft_node *node, uint64_t id, const raft_conf_change_op *op,
                                               const uint8_t *context, size_t context_len, raft_entry_id *placed) {
  return raft_propose_conf_change_v1_with_id(node, id, op, raft_slice_of(context, context_len), placed);
}

raft_status raftcore_go_propose_entry(raft_node *node, int32_t kind, const uint8_t *data, size_t len,
                                      raft_entry_id *placed) {
  return raft_propose_entry(node, kind, raft_slice_of(data, len), placed);
}

raft_status raftcore_go_read_index(raft_node *node, const uint8_t *context, size_t len) {
  return raft_read_index(node, raft_slice_of(context, len));
}

raft_status raftcore_go_inspect(const uint8_t *data, size_t len, int32_t dialect, raft_message_info *out) {
  return raft_message_inspect(raft_slice_of(data, len), dialect, out);
}

static raft_entry entry_of(uint64_t term, uint64_t index, int32_t kind, uint32_t flags, const uint8_t *data,
                           size_t len) {
  return (raft_entry){.term = term, .index = index, .kind = kind, .flags = flags, .data = raft_slice_of(data, len)};
}

raft_status raftcore_go_apply_conf_change(raft_node *node, uint64_t term, uint64_t index, int32_t kind, uint32_t flags,
                                          const uint8_t *data, size_t len, raft_conf_state_buffer **out) {
  const raft_entry entry = entry_of(term, index, kind, flags, data, len);
  return raft_apply_conf_change(node, &entry, out);
}

raft_status raftcore_go_push_entry(raft_entry_sink *sink, uint64_t term, uint64_t index, int32_t kind, uint32_t flags,
                                   const uint8_t *data, size_t len) {
  const raft_entry entry = entry_of(term, index, kind, flags, data, len);
  return raft_entry_sink_push(sink, &entry);
}
