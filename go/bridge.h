/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cgo cannot say by itself: a raft_storage whose callbacks are Go functions. Go objects do not
 * cross the border; a storage is known to C by its cgo.Handle, an integer.
 */
#ifndef RAFTCORE_GO_BRIDGE_H
#define RAFTCORE_GO_BRIDGE_H

#include <raftcore.h>

/* raft_node_new with the Go storage that `handle` stands for. */
raft_status raftcore_go_node_new(const raft_config *config, uintptr_t handle, raft_node **out);

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
raft_status raftcore_go_check_handshake(const raft_config *config, const uint8_t *data, size_t len);
raft_status raftcore_go_inspect(const uint8_t *data, size_t len, int32_t dialect, raft_message_info *out);
raft_status raftcore_go_apply_conf_change(raft_node *node, uint64_t term, uint64_t index, int32_t kind, uint32_t flags,
                                          const uint8_t *data, size_t len, raft_conf_state_buffer **out);
raft_status raftcore_go_push_entry(raft_entry_sink *sink, uint64_t term, uint64_t index, int32_t kind, uint32_t flags,
                                   const uint8_t *data, size_t len);

#endif
