// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the host share. See README.md.
#ifndef SIM_HOST_H
#define SIM_HOST_H

#include <raftcore.h>

#include "frame.h"

enum {
  // Kinds of frames that are sent.
  FRAME_ANSWER = 0,
  FRAME_READ = 1,
};

// A view of an asynchronous node, kept until all of its work is done.
typedef struct View {
  raft_ready_view *view;
  bool to_append;
  bool to_apply;
  struct View *next;
} View;

typedef struct {
  // The simulator's number for it; 0: this place is free.
  uint64_t number;
  raft_node *raft;
  bool is_async;
  // With synchronous writes: the outstanding view.
  raft_ready_view *view;
  // With asynchronous writes: the views with work to do, oldest first.
  View *views;
  bool was_released;
  // While the host looks at the node for the simulator's sake, which is to leave no trace.
  bool is_looking;
} Node;

// Four lists of ids at most, decoded one after the other into one array.
typedef struct {
  raft_conf_state state;
  uint64_t ids[256];
  size_t used;
} ConfState;

// The command being worked on, a read and its answer, what the command gives, and the whole answer.
extern Frame command, request, reply, value, answer;

// values.c
raft_slice get_slice(Frame *frame);
void put_slice(Frame *frame, raft_slice slice);
void get_conf_state(Frame *frame, ConfState *into);
void put_conf_state(Frame *frame, const raft_conf_state *state);
raft_entry get_entry(Frame *frame);
void put_entries(Frame *frame, const raft_entry *entries, size_t len);
raft_slice encode_snapshot(const raft_snapshot *snapshot);

// storage.c
raft_status read_initial_state(void *context, raft_hard_state *hard_state,
                               raft_conf_state_sink *sink);
raft_status read_entries(void *context, uint64_t low, uint64_t high, uint64_t max_bytes,
                         raft_entry_sink *out);
raft_status read_term(void *context, uint64_t index, uint64_t *term);
raft_status read_first_index(void *context, uint64_t *index);
raft_status read_last_index(void *context, uint64_t *index);
raft_status read_snapshot(void *context, raft_snapshot_sink *out);
void release_storage(void *context);

// node.c
Node *find_node(uint64_t number);
raft_status start(Node *node, uint64_t number);
raft_status free_node(Node *node);
raft_status propose(Node *node, raft_entry_id *placed);
raft_status propose_conf_change(Node *node, raft_entry_id *placed);
raft_status propose_conf_change_v1(Node *node, raft_entry_id *placed);
raft_status apply_conf_change(Node *node);

// work.c
raft_status take_ready(Node *node);
raft_status advance(Node *node);
raft_status append_done(Node *node);
raft_status apply_done(Node *node);

// status.c
raft_node_status_info info_of(Node *node);
raft_status put_status(Node *node);

// sim_host.c
bool other_way(void);

#endif
