// SPDX-License-Identifier: Apache-2.0
//
// What a node shows of itself.
#include "host.h"

raft_node_status_info info_of(Node *node) {
  raft_node_status_info info = {.struct_size = sizeof info};
  node->is_looking = true;
  if (raft_node_status(node->raft, &info) != RAFT_OK) {
    give_up("a node has no status");
  }
  node->is_looking = false;
  return info;
}

static void put_progress(const raft_progress *progress) {
  put_number(&value, progress->id);
  put_number(&value, progress->matched);
  put_number(&value, progress->next);
  put_number(&value, progress->pending_snapshot);
  put_number(&value, progress->inflight_messages);
  put_number(&value, progress->inflight_bytes);
  put_byte(&value, (uint8_t)progress->state);
  put_flag(&value, progress->is_learner);
  put_flag(&value, progress->is_paused);
  put_flag(&value, progress->is_active);
}

raft_status put_status(Node *node) {
  raft_node_status_info info = info_of(node);
  put_number(&value, info.id);
  put_number(&value, info.term);
  put_number(&value, info.vote);
  put_number(&value, info.commit);
  put_number(&value, info.leader);
  put_byte(&value, (uint8_t)info.role);
  put_number(&value, info.applied);
  put_number(&value, info.persisted);
  put_number(&value, info.last_term);
  put_number(&value, info.last_index);
  put_flag(&value, info.is_voter);
  put_number(&value, info.transferee);
  raft_conf_state_buffer *members = NULL;
  raft_conf_state state;
  if (raft_node_conf_state(node->raft, &members) != RAFT_OK ||
      raft_conf_state_buffer_view(members, &state) != RAFT_OK) {
    give_up("a node has no membership");
  }
  put_conf_state(&value, &state);
  raft_conf_state_buffer_free(members);
  raft_progress progress[64];
  size_t len = 0;
  if (raft_node_progress(node->raft, progress, sizeof progress / sizeof progress[0], &len) != RAFT_OK) {
    give_up("a node has no progress");
  }
  put_number(&value, len);
  for (size_t i = 0; i < len; i++) {
    put_progress(&progress[i]);
  }
  return RAFT_OK;
}
