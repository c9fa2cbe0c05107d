// SPDX-License-Identifier: Apache-2.0
//
// A host in C for the deterministic simulator: does with raftcore.h what the simulator commands, and
// asks the simulator for what its nodes want to read from their storages. See README.md.
#include <raftcore.h>

#include "frame.h"

enum {
  PROTOCOL_VERSION = 1,
  MOST_NODES = 64,
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

static Node nodes[MOST_NODES];

// The command being worked on, a read and its answer, what the command gives, and the whole answer.
static Frame command, request, reply, value, answer;

// Where the interface has two ways to the same end, they are taken in turn.
static bool other_way(void) {
  static unsigned count;
  return count++ % 2 == 1;
}

// ---- Values -------------------------------------------------------------------------------------

static raft_slice get_slice(Frame *frame) {
  size_t len = (size_t)get_number(frame);
  return raft_slice_of(get_raw(frame, len), len);
}

static void put_slice(Frame *frame, raft_slice slice) { put_bytes(frame, slice.data, slice.len); }

// Four lists of ids at most, decoded one after the other into one array.
typedef struct {
  raft_conf_state state;
  uint64_t ids[256];
  size_t used;
} ConfState;

static const uint64_t *get_ids(Frame *frame, ConfState *into, size_t *len) {
  *len = (size_t)get_number(frame);
  if (*len > sizeof into->ids / sizeof into->ids[0] - into->used) {
    give_up("a membership is too large");
  }
  uint64_t *ids = into->ids + into->used;
  for (size_t i = 0; i < *len; i++) {
    ids[i] = get_number(frame);
  }
  into->used += *len;
  return ids;
}

static void get_conf_state(Frame *frame, ConfState *into) {
  memset(into, 0, sizeof *into);
  raft_conf_state *state = &into->state;
  state->voters = get_ids(frame, into, &state->voters_len);
  state->learners = get_ids(frame, into, &state->learners_len);
  state->voters_outgoing = get_ids(frame, into, &state->voters_outgoing_len);
  state->learners_next = get_ids(frame, into, &state->learners_next_len);
  state->auto_leave = get_flag(frame);
}

static void put_conf_state(Frame *frame, const raft_conf_state *state) {
  put_numbers(frame, state->voters, state->voters_len);
  put_numbers(frame, state->learners, state->learners_len);
  put_numbers(frame, state->voters_outgoing, state->voters_outgoing_len);
  put_numbers(frame, state->learners_next, state->learners_next_len);
  put_flag(frame, state->auto_leave);
}

static raft_entry get_entry(Frame *frame) {
  raft_entry entry = {0};
  entry.term = get_number(frame);
  entry.index = get_number(frame);
  entry.kind = get_byte(frame);
  entry.flags = get_flag(frame) ? RAFT_ENTRY_KIND_STATED : 0;
  entry.data = get_slice(frame);
  return entry;
}

static void put_entries(Frame *frame, const raft_entry *entries, size_t len) {
  put_number(frame, len);
  for (size_t i = 0; i < len; i++) {
    put_number(frame, entries[i].term);
    put_number(frame, entries[i].index);
    put_byte(frame, (uint8_t)entries[i].kind);
    put_flag(frame, (entries[i].flags & RAFT_ENTRY_KIND_STATED) != 0);
    put_slice(frame, entries[i].data);
  }
}

// Encodes into memory that the caller frees.
static raft_slice encode_snapshot(const raft_snapshot *snapshot) {
  size_t len = 0;
  if (raft_snapshot_encode(snapshot, NULL, 0, &len) != RAFT_ERR_TOO_LARGE) {
    give_up("a snapshot has no size");
  }
  uint8_t *bytes = malloc(len);
  if (bytes == NULL || raft_snapshot_encode(snapshot, bytes, len, &len) != RAFT_OK) {
    give_up("a snapshot cannot be encoded");
  }
  return raft_slice_of(bytes, len);
}

// ---- The storage, which is the simulator's --------------------------------------------------------

static void begin_read(const Node *node, uint8_t what) {
  frame_begin(&request);
  put_byte(&request, FRAME_READ);
  put_number(&request, node->number);
  put_byte(&request, what);
}

// Asks the simulator; `reply` then has what the read gives.
static raft_status ask(void) {
  frame_send(&request);
  if (!frame_receive(&reply)) {
    give_up("the simulator is gone");
  }
  switch (get_byte(&reply)) {
    case 0: return RAFT_OK;
    case 1: return RAFT_ERR_COMPACTED;
    case 2: return RAFT_ERR_UNAVAILABLE;
    case 3: return RAFT_ERR_SNAPSHOT_UNAVAILABLE;
    default: return other_way() ? RAFT_ERR_IO : -1005;
  }
}

static raft_status read_initial_state(void *context, raft_hard_state *hard_state,
                                      raft_conf_state_sink *sink) {
  begin_read(context, 1);
  raft_status status = ask();
  if (status != RAFT_OK) {
    return status;
  }
  hard_state->term = get_number(&reply);
  hard_state->vote = get_number(&reply);
  hard_state->commit = get_number(&reply);
  ConfState members;
  get_conf_state(&reply, &members);
  if (other_way()) {
    uint8_t encoded[4096];
    size_t len = 0;
    status = raft_conf_state_encode(&members.state, encoded, sizeof encoded, &len);
    return status != RAFT_OK ? status
                             : raft_conf_state_sink_set_encoded(sink, raft_slice_of(encoded, len));
  }
  return raft_conf_state_sink_set(sink, &members.state);
}

static raft_status read_entries(void *context, uint64_t low, uint64_t high, uint64_t max_bytes,
                                raft_entry_sink *out) {
  begin_read(context, 2);
  put_number(&request, low);
  put_number(&request, high);
  put_number(&request, max_bytes);
  raft_status status = ask();
  if (status != RAFT_OK) {
    return status;
  }
  for (uint64_t left = get_number(&reply); left > 0; left--) {
    raft_entry entry = get_entry(&reply);
    status = raft_entry_sink_push(out, &entry);
    if (status != RAFT_OK) {
      // The simulator gives no more than fit.
      give_up("an entry was not taken");
    }
  }
  return RAFT_OK;
}

static raft_status read_number(uint64_t *number) {
  raft_status status = ask();
  if (status == RAFT_OK) {
    *number = get_number(&reply);
  }
  return status;
}

static raft_status read_term(void *context, uint64_t index, uint64_t *term) {
  begin_read(context, 3);
  put_number(&request, index);
  return read_number(term);
}

static raft_status read_first_index(void *context, uint64_t *index) {
  if (((Node *)context)->is_looking) {
    *index = 1;
    return RAFT_OK;
  }
  begin_read(context, 4);
  return read_number(index);
}

static raft_status read_last_index(void *context, uint64_t *index) {
  begin_read(context, 5);
  return read_number(index);
}

static raft_status read_snapshot(void *context, raft_snapshot_sink *out) {
  begin_read(context, 6);
  raft_status status = ask();
  if (status != RAFT_OK) {
    return status;
  }
  raft_snapshot snapshot = {0};
  snapshot.term = get_number(&reply);
  snapshot.index = get_number(&reply);
  ConfState members;
  get_conf_state(&reply, &members);
  snapshot.conf_state = members.state;
  snapshot.data = get_slice(&reply);
  if (other_way()) {
    raft_slice encoded = encode_snapshot(&snapshot);
    status = raft_snapshot_sink_set_encoded(out, encoded);
    free((void *)encoded.data);
    return status;
  }
  return raft_snapshot_sink_set(out, &snapshot);
}

static void release_storage(void *context) { ((Node *)context)->was_released = true; }

// ---- A node's life --------------------------------------------------------------------------------

static Node *find_node(uint64_t number) {
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
  config->eager_append = get_flag(frame);
}

static raft_status start(Node *node, uint64_t number) {
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
static raft_status free_node(Node *node) {
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

// ---- Inputs ---------------------------------------------------------------------------------------

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

static raft_status propose(Node *node, raft_entry_id *placed) {
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

static raft_status propose_conf_change(Node *node, raft_entry_id *placed) {
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

static raft_status propose_conf_change_v1(Node *node, raft_entry_id *placed) {
  raft_conf_change_op op = get_op();
  raft_slice context = get_slice(&command);
  return raft_propose_conf_change_v1(node->raft, &op, context, placed);
}

static raft_status apply_conf_change(Node *node) {
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

// ---- Work -----------------------------------------------------------------------------------------

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

static raft_status take_ready(Node *node) {
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

static raft_status advance(Node *node) {
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

static raft_status append_done(Node *node) {
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

static raft_status apply_done(Node *node) {
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

// ---- Status ---------------------------------------------------------------------------------------

static raft_node_status_info info_of(Node *node) {
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

static raft_status put_status(Node *node) {
  raft_node_status_info info = info_of(node);
  put_number(&value, info.id);
  put_number(&value, info.term);
  put_number(&value, info.vote);
  put_number(&value, info.commit);
  put_number(&value, info.leader);
  put_byte(&value, (uint8_t)info.role);
  put_number(&value, info.applied);
  put_number(&value, info.stabled);
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

// ---- Commands -------------------------------------------------------------------------------------

static raft_status put_placed(raft_status status, raft_entry_id placed) {
  put_number(&value, placed.term);
  put_number(&value, placed.index);
  return status;
}

static raft_status obey(uint8_t what, uint64_t number, Node *node) {
  raft_entry_id placed = {0, 0};
  switch (what) {
    case 1: return start(node, number);
    case 2: return free_node(node);
    case 3: return raft_tick(node->raft);
    case 4: return raft_step(node->raft, get_slice(&command));
    case 5: {
      raft_status status = propose(node, &placed);
      return put_placed(status, placed);
    }
    case 6: {
      raft_status status = propose_conf_change(node, &placed);
      return put_placed(status, placed);
    }
    case 7: {
      raft_status status = propose_conf_change_v1(node, &placed);
      return put_placed(status, placed);
    }
    case 8: return apply_conf_change(node);
    case 9: return raft_campaign(node->raft);
    case 10: return raft_transfer_leader(node->raft, get_number(&command));
    case 11: return raft_forget_leader(node->raft);
    case 12: return raft_read_index(node->raft, get_slice(&command));
    case 13: return raft_report_unreachable(node->raft, get_number(&command));
    case 14: {
      uint64_t id = get_number(&command);
      return raft_report_snapshot(node->raft, id, get_flag(&command));
    }
    case 15: return take_ready(node);
    case 16: return advance(node);
    case 17: return append_done(node);
    case 18: return apply_done(node);
    case 19: return put_status(node);
    default: give_up("an unknown command"); return RAFT_OK;
  }
}

// The status, the error in words, the node's state if there is a node, and what the command gives.
static void send_answer(Node *node, raft_status status) {
  frame_begin(&answer);
  put_byte(&answer, FRAME_ANSWER);
  put_number(&answer, (uint64_t)(int64_t)status);
  char text[512] = "";
  if (status != RAFT_OK) {
    (void)raft_node_last_error(node->raft, text, sizeof text, NULL);
  }
  put_bytes(&answer, (const uint8_t *)text, strlen(text));
  put_flag(&answer, node->raft != NULL);
  if (node->raft != NULL) {
    raft_node_status_info info = info_of(node);
    put_number(&answer, info.term);
    put_number(&answer, info.vote);
    put_number(&answer, info.commit);
    put_number(&answer, info.leader);
    put_byte(&answer, (uint8_t)info.role);
    put_flag(&answer, raft_has_ready(node->raft));
  }
  if (status == RAFT_OK && value.len > 0) {
    memcpy(frame_room(&answer, value.len), value.data, value.len);
  }
  frame_send(&answer);
}

int main(void) {
  frame_begin(&answer);
  put_number(&answer, PROTOCOL_VERSION);
  frame_send(&answer);
  while (frame_receive(&command)) {
    uint8_t what = get_byte(&command);
    uint64_t number = get_number(&command);
    Node *node = find_node(what == 1 ? 0 : number);
    value.len = 0;
    raft_status status = obey(what, number, node);
    if (command.at != command.len) {
      give_up("a command is too long");
    }
    send_answer(node, status);
  }
  free(command.data);
  free(request.data);
  free(reply.data);
  free(value.data);
  free(answer.data);
  return 0;
}
