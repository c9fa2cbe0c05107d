/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cgo cannot say by itself: callbacks that are Go functions, and several calls in one. Go objects do
 * not cross the border; C knows a storage or an observer by its cgo.Handle, an integer.
 */
#ifndef RAFTCORE_GO_BRIDGE_H
#define RAFTCORE_GO_BRIDGE_H

#include <raftcore.h>

/* raft_node_new with the Go storage that `handle` stands for, and its table alone. */
raft_status raftcore_go_node_new(const raft_config *config, uintptr_t handle, raft_node **out);
void raftcore_go_storage(uintptr_t handle, raft_storage *out);
raft_status raftcore_go_check_storage(uintptr_t check, uintptr_t storage, bool reopens, bool fails);
raft_status raftcore_go_set_observer(raft_node *node, uintptr_t handle, int32_t level, bool traces, int32_t format,
                                     bool has_time);

/* As the functions of the header, with a payload that is described by pointer and length: then it
 * may be a Go slice, which need not be copied to C memory first. */
raft_status raftcore_go_step(raft_node *node, const uint8_t *data, size_t len);
raft_status raftcore_go_propose(raft_node *node, const uint8_t *data, size_t len, raft_entry_id *placed);
raft_status raftcore_go_propose_conf_change(raft_node *node, const raft_conf_change_op *ops, size_t ops_len,
                                            int32_t transition, const uint8_t *context, size_t context_len,
                                            raft_entry_id *placed);
raft_status raftcore_go_propose_conf_change_v1(raft_node *node, uint64_t id, const raft_conf_change_op *op,
                                               const uint8_t *context, size_t context_len, raft_entry_id *placed);
raft_status raftcore_go_propose_entry(raft_node *node, int32_t kind, const uint8_t *data, size_t len,
                                      raft_entry_id *placed);
raft_status raftcore_go_read_index(raft_node *node, const uint8_t *context, size_t len);
raft_status raftcore_go_push_entry(raft_entry_sink *sink, uint64_t term, uint64_t index, int32_t kind, uint32_t flags,
                                   const uint8_t *data, size_t len);

/* A block for payloads that the library takes over: `count` sizes, and `bytes` bytes behind them. NULL if there is
 * no memory. */
void *raftcore_go_block(size_t count, size_t bytes);
/* Proposes the payloads of a block, and frees it in any case. */
raft_status raftcore_go_propose_block(raft_node *node, void *block, size_t count, raft_entry_id *first);
/* raft_step_snapshot with data that is copied. */
raft_status raftcore_go_step_snapshot(raft_node *node, const uint8_t *message, size_t len, const uint8_t *data,
                                      size_t data_len);

/* What raft_ready answered. In registers, so that nothing of Go's has to be on the heap. */
typedef struct raftcore_go_view {
  raft_ready_view *view;
  raft_status status;
  raft_status advanced;
} raftcore_go_view;
raftcore_go_view raftcore_go_ready(raft_node *node);
/* raft_advance and, if that answers RAFT_OK, raft_ready. */
raftcore_go_view raftcore_go_advance_ready(raft_node *node, raft_ready_view *view);

#endif
