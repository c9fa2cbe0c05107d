/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge.h"
#include "_cgo_export.h"

#include <stdlib.h>
#include <string.h>

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
void raftcore_go_storage(uintptr_t handle, raft_storage *out) {
  *out = (raft_storage){
      .struct_size = sizeof *out,
      .context = (void *)handle,
      .initial_state = initial_state,
      .entries = entries,
      .term = term,
      .first_index = first_index,
      .last_index = last_index,
      .snapshot = snapshot,
      .snapshot_for = snapshot_for,
  };
}

raft_status raftcore_go_node_new(const raft_config *config, uintptr_t handle, raft_node **out) {
  raft_storage storage;
  raftcore_go_storage(handle, &storage);
  return raft_node_new(config, &storage, out);
}

static raft_status check_reset(void *context) { return raftcoreGoCheckReset((uintptr_t)context); }

static raft_status check_persist(void *context, const raft_persist *what) {
  return raftcoreGoCheckPersist((uintptr_t)context, (raft_persist *)what);
}

static raft_status check_compact(void *context, uint64_t index) {
  return raftcoreGoCheckCompact((uintptr_t)context, index);
}

static raft_status check_reopen(void *context, int32_t how) { return raftcoreGoCheckReopen((uintptr_t)context, how); }

static raft_status check_set_failing(void *context, bool failing) {
  return raftcoreGoCheckSetFailing((uintptr_t)context, failing);
}

static void check_found(void *context, const raft_storage_finding *finding) {
  raftcoreGoCheckFound((uintptr_t)context, (raft_storage_finding *)finding);
}

raft_status raftcore_go_check_storage(uintptr_t check, uintptr_t storage, bool reopens, bool fails) {
  raft_storage table;
  raftcore_go_storage(storage, &table);
  const raft_checked_storage checked = {
      .struct_size = sizeof checked,
      .context = (void *)check,
      .storage = &table,
      .reset = check_reset,
      .persist = check_persist,
      .compact = check_compact,
      .reopen = reopens ? check_reopen : NULL,
      .set_failing = fails ? check_set_failing : NULL,
  };
  return raft_storage_check(&checked, check_found, (void *)check);
}

static void observer_log(void *context, int32_t level, const char *text, size_t len) {
  raftcoreGoLog((uintptr_t)context, level, (char *)text, len);
}

static void observer_trace(void *context, const char *json, size_t len) {
  raftcoreGoTrace((uintptr_t)context, (char *)json, len);
}

static uint64_t observer_time(void *context) { return raftcoreGoTime((uintptr_t)context); }

static void observer_release(void *context) { raftcoreGoReleaseObserver((uintptr_t)context); }

raft_status raftcore_go_set_observer(raft_node *node, uintptr_t handle, int32_t level, bool traces, int32_t format,
                                     bool has_time) {
  const raft_observer observer = {
      .struct_size = sizeof observer,
      .context = (void *)handle,
      .log = level == RAFT_LOG_NONE ? NULL : observer_log,
      .trace = traces ? observer_trace : NULL,
      .release = observer_release,
      .log_level = level,
      .time = has_time ? observer_time : NULL,
      .trace_format = format,
  };
  return raft_node_set_observer(node, &observer);
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

static raft_entry entry_of(uint64_t term, uint64_t index, int32_t kind, uint32_t flags, const uint8_t *data,
                           size_t len) {
  return (raft_entry){.term = term, .index = index, .kind = kind, .flags = flags, .data = raft_slice_of(data, len)};
}

raft_status raftcore_go_push_entry(raft_entry_sink *sink, uint64_t term, uint64_t index, int32_t kind, uint32_t flags,
                                   const uint8_t *data, size_t len) {
  const raft_entry entry = entry_of(term, index, kind, flags, data, len);
  return raft_entry_sink_push(sink, &entry);
}

void *raftcore_go_block(size_t count, size_t bytes) {
  /* Go's own lengths: their sum fits. */
  return malloc(count * sizeof(size_t) + bytes + 1);
}

raft_status raftcore_go_propose_block(raft_node *node, void *block, size_t count, raft_entry_id *first) {
  raft_slice few[64];
  raft_slice *slices = count <= sizeof few / sizeof *few ? few : malloc(count * sizeof *slices);
  if (slices == NULL) {
    free(block);
    return RAFT_ERR_NO_MEMORY;
  }
  const size_t *sizes = block;
  const uint8_t *data = (const uint8_t *)(sizes + count);
  for (size_t i = 0; i < count; i++) {
    slices[i] = raft_slice_of(data, sizes[i]);
    data += sizes[i];
  }
  const raft_status status = raft_propose_batch_owned(node, slices, count, free, block, first);
  if (slices != few) {
    free(slices);
  }
  return status;
}

raft_status raftcore_go_step_snapshot(raft_node *node, const uint8_t *message, size_t len, const uint8_t *data,
                                      size_t data_len) {
  uint8_t *copy = malloc(data_len + 1);
  if (copy == NULL) {
    return RAFT_ERR_NO_MEMORY;
  }
  if (data_len > 0) {
    memcpy(copy, data, data_len);
  }
  return raft_step_snapshot(node, raft_slice_of(message, len), raft_slice_of(copy, data_len), free, copy);
}

raftcore_go_view raftcore_go_ready(raft_node *node) {
  raftcore_go_view answer = {0};
  answer.status = raft_ready(node, &answer.view);
  return answer;
}

raftcore_go_view raftcore_go_advance_ready(raft_node *node, raft_ready_view *view) {
  raftcore_go_view answer = {0};
  answer.advanced = raft_advance(node, view);
  if (answer.advanced == RAFT_OK) {
    answer.status = raft_ready(node, &answer.view);
  }
  return answer;
}
