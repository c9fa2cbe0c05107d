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

raftcore_go_placed raftcore_go_propose_block(uintptr_t node, void *block, size_t count) {
  raftcore_go_placed answer = {0};
  raft_slice few[64];
  raft_slice *slices = count <= sizeof few / sizeof *few ? few : malloc(count * sizeof *slices);
  if (slices == NULL) {
    free(block);
    answer.status = RAFT_ERR_NO_MEMORY;
    return answer;
  }
  const size_t *sizes = block;
  const uint8_t *data = (const uint8_t *)(sizes + count);
  for (size_t i = 0; i < count; i++) {
    slices[i] = raft_slice_of(data, sizes[i]);
    data += sizes[i];
  }
  answer.status = raft_propose_batch_owned((raft_node *)node, slices, count, free, block, &answer.id);
  if (slices != few) {
    free(slices);
  }
  return answer;
}

raft_status raftcore_go_tick(uintptr_t node) { return raft_tick((raft_node *)node); }

size_t raftcore_go_tick_all(const uintptr_t *nodes, size_t len, raft_status *statuses) {
  size_t failed = 0;
  for (size_t i = 0; i < len; i++) {
    const raft_status status = raft_tick((raft_node *)nodes[i]);
    if (status != RAFT_OK) {
      statuses[i] = status;
      failed++;
    }
  }
  return failed;
}

bool raftcore_go_has_ready(uintptr_t node) { return raft_has_ready((raft_node *)node); }

raft_status raftcore_go_step(uintptr_t node, const uint8_t *data, size_t len) {
  return raft_step((raft_node *)node, raft_slice_of(data, len));
}

raft_status raftcore_go_step_batch(uintptr_t node, const raft_slice *messages, size_t len, raft_status *statuses) {
  return raft_step_batch((raft_node *)node, messages, len, statuses);
}

raftcore_go_placed raftcore_go_propose(uintptr_t node, const uint8_t *data, size_t len) {
  raftcore_go_placed answer = {0};
  answer.status = raft_propose((raft_node *)node, raft_slice_of(data, len), &answer.id);
  return answer;
}

raftcore_go_view raftcore_go_ready(uintptr_t node) {
  raftcore_go_view answer = {0};
  answer.status = raft_ready((raft_node *)node, &answer.view);
  return answer;
}

raft_status raftcore_go_advance(uintptr_t node, uintptr_t view) {
  return raft_advance((raft_node *)node, (raft_ready_view *)view);
}

raftcore_go_view raftcore_go_advance_ready(uintptr_t node, uintptr_t view) {
  raftcore_go_view answer = {0};
  answer.advanced = raft_advance((raft_node *)node, (raft_ready_view *)view);
  if (answer.advanced == RAFT_OK) {
    answer.status = raft_ready((raft_node *)node, &answer.view);
  }
  return answer;
}

raftcore_go_hard_state raftcore_go_get_hard_state(uintptr_t node) {
  raftcore_go_hard_state answer = {0};
  answer.status = raft_node_hard_state((raft_node *)node, &answer.state);
  return answer;
}

raftcore_go_soft_state raftcore_go_get_soft_state(uintptr_t node) {
  raftcore_go_soft_state answer = {0};
  answer.status = raft_node_soft_state((raft_node *)node, &answer.state);
  return answer;
}

raftcore_go_status raftcore_go_get_basic_status(uintptr_t node) {
  raftcore_go_status answer = {0};
  answer.info.struct_size = sizeof answer.info;
  answer.status = raft_node_basic_status((raft_node *)node, &answer.info);
  return answer;
}

raft_status raftcore_go_read_index(uintptr_t node, const uint8_t *context, size_t len) {
  return raft_read_index((raft_node *)node, raft_slice_of(context, len));
}
