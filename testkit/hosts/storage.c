// SPDX-License-Identifier: Apache-2.0
//
// The nodes' storage, which is the simulator's: each read is a question to it.
#include "host.h"

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

raft_status read_initial_state(void *context, raft_hard_state *hard_state,
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

raft_status read_entries(void *context, uint64_t low, uint64_t high, uint64_t max_bytes,
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

raft_status read_term(void *context, uint64_t index, uint64_t *term) {
  begin_read(context, 3);
  put_number(&request, index);
  return read_number(term);
}

raft_status read_first_index(void *context, uint64_t *index) {
  if (((Node *)context)->is_looking) {
    *index = 1;
    return RAFT_OK;
  }
  begin_read(context, 4);
  return read_number(index);
}

raft_status read_last_index(void *context, uint64_t *index) {
  begin_read(context, 5);
  return read_number(index);
}

raft_status read_snapshot(void *context, raft_snapshot_sink *out) {
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

void release_storage(void *context) { ((Node *)context)->was_released = true; }
