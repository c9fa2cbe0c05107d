// SPDX-License-Identifier: Apache-2.0
//
// A node's life, and what it is told.
#include "host.h"

enum { MOST_NODES = 64 };

static Node nodes[MOST_NODES];

Node *find_node(uint64_t number) {
  for (size_t i = 0; i < MOST_NODES; i++) {
    if (nodes[i].number == number) {
      return &nodes[i];
    }
  }
  give_up(number == 0 ? "too many nodes" : "no such node");
  return NULL;
}

static void get_config(Frame *frame, raft_config *config) {
  if (raft_config_init(config, sizeof *config, get_number(frame)) != RAFT_OK) {
    give_up("no configuration");
  }
  config->seed = get_number(frame);
  config->applied = get_number(frame);
  config->election_ticks = (uint32_t)get_number(frame);
  config->heartbeat_ticks = (uint32_t)get_number(frame);
  config->max_message_bytes = get_number(frame);
  config->max_inflight_messages = (uint32_t)get_number(frame);
  config->max_inflight_bytes = get_number(frame);
  config->max_uncommitted_bytes = get_number(frame);
  config->max_committed_bytes_per_ready = get_number(frame);
  config->log_cache_bytes = get_number(frame);
  config->priority = (int64_t)get_number(frame);
  config->read_mode = get_byte(frame);
  config->dialect = get_byte(frame);
  config->pre_vote = get_flag(frame);
  config->check_quorum = get_flag(frame);
  config->forward_proposals = get_flag(frame);
  config->validate_conf_changes = get_flag(frame);
  config->step_down_on_removal = get_flag(frame);
  config->async_storage_writes = get_flag(frame);
  config->apply_before_persist = get_flag(frame);
  config->etcd_compat = get_flag(frame);
}

raft_status start(Node *node, uint64_t number) {
  raft_config config;
  get_config(&command, &config);
  memset(node, 0, sizeof *node);
  node->number = number;
  node->is_async = config.async_storage_writes;
  raft_storage storage = {
      .struct_size = sizeof storage,
      .context = node,
      .initial_state = read_initial_state,
      .entries = read_entries,
      .term = read_term,
      .first_index = read_first_index,
      .last_index = read_last_index,
      .snapshot = read_snapshot,
      .release = release_storage,
  };
  raft_status status = raft_node_new(&config, &storage, &node->raft);
  if ((status == RAFT_OK) == node->was_released) {
    give_up("the storage was released too early, or not at all");
  }
  if (status != RAFT_OK) {
    node->number = 0;
  }
  return status;
}

// Like a crash: at any time, whatever is outstanding. Views may be freed before or after their node.
raft_status free_node(Node *node) {
  bool views_first = other_way();
  if (!views_first) {
    raft_node_free(node->raft);
  }
  raft_ready_free(node->view);
  while (node->views != NULL) {
    View *next = node->views->next;
    raft_ready_free(node->views->view);
    free(node->views);
    node->views = next;
  }
  if (views_first) {
    raft_node_free(node->raft);
  }
  if (!node->was_released) {
    give_up("the storage was not released");
  }
  memset(node, 0, sizeof *node);
  return RAFT_OK;
}

static void free_payload(void *payload) { free(payload); }

static raft_status propose_one(Node *node, raft_slice data, raft_entry_id *placed) {
  if (other_way()) {
    return raft_propose(node->raft, data, placed);
  }
  uint8_t *copy = malloc(data.len + 1);
  if (copy == NULL) {
    give_up("out of memory");
  }
  if (data.len > 0) {
    memcpy(copy, data.data, data.len);
  }
  return raft_propose_owned(node->raft, raft_slice_of(copy, data.len), free_payload, copy, placed);
}

raft_status propose(Node *node, raft_entry_id *placed) {
  raft_slice payloads[64];
  size_t len = (size_t)get_number(&command);
  if (len > sizeof payloads / sizeof payloads[0]) {
    give_up("too many proposals");
  }
  for (size_t i = 0; i < len; i++) {
    payloads[i] = get_slice(&command);
  }
  if (len == 1 && other_way()) {
    return propose_one(node, payloads[0], placed);
  }
  return raft_propose_batch(node->raft, payloads, len, placed);
}

static raft_conf_change_op get_op(void) {
  raft_conf_change_op op = {0};
  op.kind = get_byte(&command);
  op.node = get_number(&command);
  return op;
}

raft_status propose_conf_change(Node *node, raft_entry_id *placed) {
  raft_conf_change_op ops[64];
  int32_t transition = get_byte(&command);
  size_t len = (size_t)get_number(&command);
  if (len > sizeof ops / sizeof ops[0]) {
    give_up("too many operations");
  }
  for (size_t i = 0; i < len; i++) {
    ops[i] = get_op();
  }
  raft_slice context = get_slice(&command);
  return raft_propose_conf_change(node->raft, ops, len, transition, context, placed);
}

raft_status propose_conf_change_v1(Node *node, raft_entry_id *placed) {
  raft_conf_change_op op = get_op();
  raft_slice context = get_slice(&command);
  return raft_propose_conf_change_v1(node->raft, &op, context, placed);
}

raft_status apply_conf_change(Node *node) {
  raft_entry entry = get_entry(&command);
  raft_conf_state_buffer *members = NULL;
  raft_status status = raft_apply_conf_change(node->raft, &entry, &members);
  raft_conf_state state;
  if (status == RAFT_OK) {
    if (raft_conf_state_buffer_view(members, &state) != RAFT_OK) {
      give_up("a membership cannot be seen");
    }
    put_conf_state(&value, &state);
  }
  raft_conf_state_buffer_free(members);
  return status;
}
