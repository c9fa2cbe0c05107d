// SPDX-License-Identifier: Apache-2.0
//
// Values of raftcore.h in frames.
#include "host.h"

raft_slice get_slice(Frame *frame) {
  size_t len = (size_t)get_number(frame);
  return raft_slice_of(get_raw(frame, len), len);
}

void put_slice(Frame *frame, raft_slice slice) { put_bytes(frame, slice.data, slice.len); }

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

void get_conf_state(Frame *frame, ConfState *into) {
  memset(into, 0, sizeof *into);
  raft_conf_state *state = &into->state;
  state->voters = get_ids(frame, into, &state->voters_len);
  state->learners = get_ids(frame, into, &state->learners_len);
  state->voters_outgoing = get_ids(frame, into, &state->voters_outgoing_len);
  state->learners_next = get_ids(frame, into, &state->learners_next_len);
  state->auto_leave = get_flag(frame);
}

void put_conf_state(Frame *frame, const raft_conf_state *state) {
  put_numbers(frame, state->voters, state->voters_len);
  put_numbers(frame, state->learners, state->learners_len);
  put_numbers(frame, state->voters_outgoing, state->voters_outgoing_len);
  put_numbers(frame, state->learners_next, state->learners_next_len);
  put_flag(frame, state->auto_leave);
}

raft_entry get_entry(Frame *frame) {
  raft_entry entry = {0};
  entry.term = get_number(frame);
  entry.index = get_number(frame);
  entry.kind = get_byte(frame);
  entry.flags = get_flag(frame) ? RAFT_ENTRY_KIND_STATED : 0;
  entry.data = get_slice(frame);
  return entry;
}

void put_entries(Frame *frame, const raft_entry *entries, size_t len) {
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
raft_slice encode_snapshot(const raft_snapshot *snapshot) {
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
