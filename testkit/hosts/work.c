// SPDX-License-Identifier: Apache-2.0
//
// The work that a node hands out.
#include "host.h"

static void put_view(const raft_ready_view *view) {
  put_flag(&value, view->must_sync);
  put_flag(&value, view->has_soft_state);
  if (view->has_soft_state) {
    put_number(&value, view->soft_state.leader);
    put_byte(&value, (uint8_t)view->soft_state.role);
  }
  put_flag(&value, view->has_hard_state);
  if (view->has_hard_state) {
    put_number(&value, view->hard_state.term);
    put_number(&value, view->hard_state.vote);
    put_number(&value, view->hard_state.commit);
  }
  put_entries(&value, view->entries, view->entries_len);
  put_flag(&value, view->has_snapshot);
  if (view->has_snapshot) {
    put_number(&value, view->snapshot->term);
    put_number(&value, view->snapshot->index);
    put_conf_state(&value, &view->snapshot->conf_state);
    put_slice(&value, view->snapshot->data);
    put_slice(&value, view->snapshot_encoded);
  }
  put_entries(&value, view->committed_entries, view->committed_entries_len);
  put_number(&value, view->read_states_len);
  for (size_t i = 0; i < view->read_states_len; i++) {
    put_number(&value, view->read_states[i].index);
    put_slice(&value, view->read_states[i].context);
  }
  put_number(&value, view->messages_len);
  for (size_t i = 0; i < view->messages_len; i++) {
    put_flag(&value, view->messages[i].requires_persistence);
    put_slice(&value, view->messages[i].bytes);
  }
  put_flag(&value, view->has_storage_append);
  put_flag(&value, view->apply_ack != NULL);
}

// Puts a view behind the others, to be worked on later.
static void keep_view(Node *node, raft_ready_view *view) {
  View *kept = malloc(sizeof *kept);
  if (kept == NULL) {
    give_up("out of memory");
  }
  *kept = (View){view, view->has_storage_append, view->apply_ack != NULL, NULL};
  View **end = &node->views;
  while (*end != NULL) {
    end = &(*end)->next;
  }
  *end = kept;
}

// Frees the views, oldest first, whose work is done.
static void drop_finished_views(Node *node) {
  while (node->views != NULL && !node->views->to_append && !node->views->to_apply) {
    View *done = node->views;
    node->views = done->next;
    raft_ready_free(done->view);
    free(done);
  }
}

raft_status take_ready(Node *node) {
  raft_ready_view *view = NULL;
  raft_status status = raft_ready(node->raft, &view);
  // A view that is given up comes again.
  if (status == RAFT_OK && view != NULL && !node->is_async && other_way()) {
    raft_ready_free(view);
    status = raft_ready(node->raft, &view);
  }
  if (status != RAFT_OK) {
    return status;
  }
  if (view == NULL) {
    give_up("there is no work");
  }
  put_view(view);
  if (node->is_async) {
    keep_view(node, view);
    drop_finished_views(node);
  } else {
    node->view = view;
  }
  return RAFT_OK;
}

raft_status advance(Node *node) {
  raft_ready_view *view = node->view;
  node->view = NULL;
  return raft_advance(node->raft, view);
}

// Hands notices back one by one: whether each is refused is told then.
static raft_status acknowledge(Node *node, const raft_ack *acks, size_t len) {
  raft_status first = RAFT_OK;
  for (size_t i = 0; i < len; i++) {
    raft_status status = raft_acknowledge(node->raft, &acks[i], 1);
    // A node that is no member any more.
    if (first == RAFT_OK && status != RAFT_ERR_PEER_NOT_FOUND) {
      first = status;
    }
  }
  return first;
}

raft_status append_done(Node *node) {
  View *view = node->views;
  while (view != NULL && !view->to_append) {
    view = view->next;
  }
  if (view == NULL) {
    give_up("nothing was to be stored");
  }
  view->to_append = false;
  raft_status status = acknowledge(node, view->view->storage_acks, view->view->storage_acks_len);
  drop_finished_views(node);
  return status;
}

raft_status apply_done(Node *node) {
  View *view = node->views;
  while (view != NULL && !view->to_apply) {
    view = view->next;
  }
  if (view == NULL) {
    give_up("nothing was to be applied");
  }
  view->to_apply = false;
  raft_status status = acknowledge(node, view->view->apply_ack, 1);
  drop_finished_views(node);
  return status;
}
