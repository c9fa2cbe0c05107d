// SPDX-License-Identifier: Apache-2.0

#include "disk.h"

static void set_snapshot(Disk *disk, const raft_snapshot *snapshot, raft_slice encoded) {
  disk->snapshot_index = snapshot->index;
  uint8_t *copy = copy_of(encoded);
  free(disk->snapshot);
  disk->snapshot = copy;
  disk->snapshot_len = encoded.len;
}

void disk_set_conf_state(Disk *disk, raft_slice encoded) {
  uint8_t *copy = copy_of(encoded);
  free(disk->conf_state);
  disk->conf_state = copy;
  disk->conf_state_len = encoded.len;
}

// Encodes a snapshot and its membership onto the disk.
static void make_snapshot(Disk *disk, const raft_snapshot *snapshot) {
  size_t len = 0;
  EXPECT(raft_snapshot_encode(snapshot, NULL, 0, &len), RAFT_ERR_TOO_LARGE);
  uint8_t *bytes = room(NULL, len, 1);
  OK(raft_snapshot_encode(snapshot, bytes, len, NULL));
  set_snapshot(disk, snapshot, raft_slice_of(bytes, len));
  free(bytes);
}

void disk_format(Disk *disk, const uint64_t *voters, size_t voters_len) {
  raft_snapshot empty = {0};
  uint8_t conf_state[256];
  size_t len = 0;
  empty.term = 1;
  empty.index = 1;
  empty.conf_state.voters = voters;
  empty.conf_state.voters_len = voters_len;
  OK(raft_conf_state_encode(&empty.conf_state, conf_state, sizeof conf_state, &len));
  disk_set_conf_state(disk, raft_slice_of(conf_state, len));
  make_snapshot(disk, &empty);
  disk->compacted.term = 1;
  disk->compacted.index = 1;
  disk->hard_state.term = 1;
  disk->hard_state.commit = 1;
}

static void truncate_log(Disk *disk, size_t len) {
  while (disk->log_len > len) {
    free((void *)disk->log[--disk->log_len].data.data);
  }
}

void disk_free(Disk *disk) {
  truncate_log(disk, 0);
  free(disk->log);
  free(disk->snapshot);
  free(disk->conf_state);
  memset(disk, 0, sizeof *disk);
}

uint64_t disk_last_index(const Disk *disk) { return disk->compacted.index + disk->log_len; }

void disk_store(Disk *disk, const raft_entry *entries, size_t len) {
  for (size_t i = 0; i < len; i++) {
    CHECK(entries[i].index > disk->compacted.index);
    const size_t at = (size_t)(entries[i].index - disk->compacted.index - 1);
    CHECK(at <= disk->log_len);  // no gap
    truncate_log(disk, at);
    if (at == disk->log_capacity) {
      disk->log_capacity = disk->log_capacity * 2 + 16;
      disk->log = room(disk->log, disk->log_capacity, sizeof *disk->log);
    }
    disk->log[at] = entries[i];
    disk->log[at].data.data = copy_of(entries[i].data);
    disk->log_len = at + 1;
  }
}

void disk_install(Disk *disk, const raft_snapshot *snapshot, raft_slice encoded) {
  uint8_t conf_state[256];
  size_t len = 0;
  truncate_log(disk, 0);
  disk->compacted.term = snapshot->term;
  disk->compacted.index = snapshot->index;
  set_snapshot(disk, snapshot, encoded);
  OK(raft_conf_state_encode(&snapshot->conf_state, conf_state, sizeof conf_state, &len));
  disk_set_conf_state(disk, raft_slice_of(conf_state, len));
}

static uint64_t term_at(const Disk *disk, uint64_t index) {
  return index == disk->compacted.index ? disk->compacted.term
                                        : disk->log[index - disk->compacted.index - 1].term;
}

void disk_snapshot(Disk *disk, uint64_t index, raft_slice data) {
  raft_conf_state_buffer *members = NULL;
  raft_snapshot snapshot = {0};
  CHECK(index > disk->snapshot_index && index <= disk_last_index(disk));
  snapshot.term = term_at(disk, index);
  snapshot.index = index;
  snapshot.data = data;
  OK(raft_conf_state_decode(raft_slice_of(disk->conf_state, disk->conf_state_len), &members));
  OK(raft_conf_state_buffer_view(members, &snapshot.conf_state));
  make_snapshot(disk, &snapshot);
  raft_conf_state_buffer_free(members);
}

void disk_compact(Disk *disk, uint64_t index) {
  CHECK(index > disk->compacted.index && index <= disk->snapshot_index);
  const size_t gone = (size_t)(index - disk->compacted.index);
  disk->compacted.term = term_at(disk, index);
  disk->compacted.index = index;
  for (size_t i = 0; i < gone; i++) {
    free((void *)disk->log[i].data.data);
  }
  memmove(disk->log, disk->log + gone, (disk->log_len - gone) * sizeof *disk->log);
  disk->log_len -= gone;
}

static raft_status initial_state(void *context, raft_hard_state *hard_state,
                                 raft_conf_state_sink *conf_state) {
  const Disk *disk = context;
  *hard_state = disk->hard_state;
  return raft_conf_state_sink_set_encoded(
      conf_state, raft_slice_of(disk->conf_state, disk->conf_state_len));
}

static raft_status entries(void *context, uint64_t low, uint64_t high, uint64_t max_bytes,
                           raft_entry_sink *out) {
  const Disk *disk = context;
  (void)max_bytes;
  if (low <= disk->compacted.index) {
    return RAFT_ERR_COMPACTED;
  }
  if (high > disk_last_index(disk) + 1) {
    return RAFT_ERR_UNAVAILABLE;
  }
  for (uint64_t index = low; index < high; index++) {
    if (raft_entry_sink_push(out, &disk->log[index - disk->compacted.index - 1]) != RAFT_OK) {
      break;
    }
  }
  return RAFT_OK;
}

static raft_status term(void *context, uint64_t index, uint64_t *out) {
  const Disk *disk = context;
  if (index < disk->compacted.index) {
    return RAFT_ERR_COMPACTED;
  }
  if (index > disk_last_index(disk)) {
    return RAFT_ERR_UNAVAILABLE;
  }
  *out = term_at(disk, index);
  return RAFT_OK;
}

static raft_status first_index(void *context, uint64_t *index) {
  *index = ((const Disk *)context)->compacted.index + 1;
  return RAFT_OK;
}

static raft_status last_index(void *context, uint64_t *index) {
  *index = disk_last_index(context);
  return RAFT_OK;
}

static raft_status snapshot(void *context, raft_snapshot_sink *out) {
  const Disk *disk = context;
  return raft_snapshot_sink_set_encoded(out, raft_slice_of(disk->snapshot, disk->snapshot_len));
}

static void release(void *context) {
  Disk *disk = context;
  CHECK(!disk->released);
  disk->released = true;
}

raft_storage disk_storage(Disk *disk) {
  raft_storage storage = {0};
  storage.struct_size = sizeof storage;
  storage.context = disk;
  storage.initial_state = initial_state;
  storage.entries = entries;
  storage.term = term;
  storage.first_index = first_index;
  storage.last_index = last_index;
  storage.snapshot = snapshot;
  storage.release = release;
  return storage;
}

void disk_lead(Disk *disk, raft_node *node, uint64_t peers, uint64_t matched) {
  uint8_t bytes[128];
  size_t len = 0;
  raft_ready_view *view = NULL;
  raft_message_fields reply = {0};
  reply.struct_size = sizeof reply;
  reply.to = 1;
  OK(raft_campaign(node));
  for (int turn = 0; turn < 2; turn++) {
    for (OK(raft_ready(node, &view)); view != NULL; OK(raft_ready(node, &view))) {
      disk_store(disk, view->entries, view->entries_len);
      if (view->has_hard_state) {
        disk->hard_state = view->hard_state;
        reply.term = view->hard_state.term;
      }
      OK(raft_advance(node, view));
    }
    reply.type = turn == 0 ? RAFT_MESSAGE_VOTE_REPLY : RAFT_MESSAGE_APPEND_REPLY;
    reply.reject = turn > 0;
    reply.index = reply.reject ? disk_last_index(disk) - 1 : 0;  // the entry before the first that was sent
    reply.reject_hint = reply.reject ? matched : 0;
    for (reply.from = 2; reply.from < 2 + peers; reply.from++) {
      OK(raft_message_encode(&reply, bytes, sizeof bytes, &len));
      OK(raft_step(node, raft_slice_of(bytes, len)));
    }
  }
}
