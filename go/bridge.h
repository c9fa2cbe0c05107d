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

/* As the functions of the header, for the calls that are made most. Nodes and views are integers, which cgo need not
 * look at; results come by value, so that nothing of Go's has to be on the heap. A payload is described by pointer and
 * length: then it may be a Go slice, which need not be copied to C memory first. */
typedef struct raftcore_go_placed {
  raft_entry_id id;
  raft_status status;
} raftcore_go_placed;
typedef struct raftcore_go_view {
  raft_ready_view *view;
  raft_status status;
  raft_status advanced;
} raftcore_go_view;
typedef struct raftcore_go_hard_state {
  raft_hard_state state;
  raft_status status;
} raftcore_go_hard_state;
typedef struct raftcore_go_soft_state {
  raft_soft_state state;
  raft_status status;
} raftcore_go_soft_state;
typedef struct raftcore_go_status {
  raft_node_status_info info;
  raft_status status;
} raftcore_go_status;

raft_status raftcore_go_tick(uintptr_t node);
/* Ticks many nodes; a node's status is written only if it is not RAFT_OK. How many those are. */
size_t raftcore_go_tick_all(const uintptr_t *nodes, size_t len, raft_status *statuses);
bool raftcore_go_has_ready(uintptr_t node);
raft_status raftcore_go_step(uintptr_t node, const uint8_t *data, size_t len);
raft_status raftcore_go_step_batch(uintptr_t node, const raft_slice *messages, size_t len, raft_status *statuses);
raftcore_go_placed raftcore_go_propose(uintptr_t node, const uint8_t *data, size_t len);
raftcore_go_view raftcore_go_ready(uintptr_t node);
raft_status raftcore_go_advance(uintptr_t node, uintptr_t view);
/* raft_advance and, if that answers RAFT_OK, raft_ready. */
raftcore_go_view raftcore_go_advance_ready(uintptr_t node, uintptr_t view);
raftcore_go_hard_state raftcore_go_get_hard_state(uintptr_t node);
raftcore_go_soft_state raftcore_go_get_soft_state(uintptr_t node);
raftcore_go_status raftcore_go_get_basic_status(uintptr_t node);
raft_status raftcore_go_read_index(uintptr_t node, const uint8_t *context, size_t len);

/* As the functions of the header, with payloads by pointer and length. */
raft_status raftcore_go_propose_conf_change(raft_node *node, const raft_conf_change_op *ops, size_t ops_len,
                                            int32_t transition, const uint8_t *context, size_t context_len,
                                            raft_entry_id *placed);
raft_status raftcore_go_propose_conf_change_v1(raft_node *node, uint64_t id, const raft_conf_change_op *op,
                                               const uint8_t *context, size_t context_len, raft_entry_id *placed);
raft_status raftcore_go_propose_entry(raft_node *node, int32_t kind, const uint8_t *data, size_t len,
                                      raft_entry_id *placed);
raft_status raftcore_go_push_entry(raft_entry_sink *sink, uint64_t term, uint64_t index, int32_t kind, uint32_t flags,
                                   const uint8_t *data, size_t len);

/* A block for payloads that the library takes over: `count` sizes, and `bytes` bytes behind them. NULL if there is
 * no memory. */
void *raftcore_go_block(size_t count, size_t bytes);
/* Proposes the payloads of a block, and frees it in any case. */
raftcore_go_placed raftcore_go_propose_block(uintptr_t node, void *block, size_t count);
/* raft_step_snapshot with data that is copied. */
raft_status raftcore_go_step_snapshot(raft_node *node, const uint8_t *message, size_t len, const uint8_t *data,
                                      size_t data_len);

#endif
