// SPDX-License-Identifier: Apache-2.0
//
// What a server does for its node.

#include "cluster.h"

static bool fails(Server *self) {
  Cluster *cluster = self->cluster;
  cluster->calls++;
  const bool fail = cluster->calls == cluster->fail_at || (cluster->fail_all && cluster->calls % 2 == 1);
  cluster->failures += fail;
  return fail;
}

static raft_status persist(void *context, const raft_persist *what) {
  Server *self = context;
  if (fails(self)) {
    self->persist_failed = true;
    return RAFT_ERR_IO;
  }
  self->persist_failed = false;
  if (what->snapshot != NULL) {
    CHECK(what->snapshot_encoded.len > 0);
    disk_install(&self->disk, what->snapshot, what->snapshot_encoded);
  }
  disk_store(&self->disk, what->entries, what->entries_len);
  if (what->hard_state != NULL) {
    self->disk.hard_state = *what->hard_state;
  }
  CHECK(what->must_sync || what->entries_len == 0);
  return RAFT_OK;
}

// What a message promises must be on the disk when it leaves.
static void check_promise(const Server *self, const raft_message *message) {
  raft_message_info info = {0};
  info.struct_size = sizeof info;
  OK(raft_message_inspect(message->bytes, RAFT_DIALECT_ETCD, &info));
  CHECK(info.from == self->id && info.to == message->to && info.type == message->type);
  if (message->requires_persistence) {
    CHECK(!self->persist_failed);
    CHECK(info.term <= self->disk.hard_state.term || info.type == RAFT_MESSAGE_PRE_VOTE_REPLY);
  }
}

static raft_status send(void *context, const raft_message *messages, size_t len) {
  Server *self = context;
  Cluster *cluster = self->cluster;
  if (fails(self)) {
    return RAFT_ERR_IO;
  }
  for (size_t i = 0; i < len; i++) {
    check_promise(self, &messages[i]);
    if (cluster->queued == cluster->capacity) {
      cluster->capacity = cluster->capacity * 2 + 64;
      cluster->queue = room(cluster->queue, cluster->capacity, sizeof *cluster->queue);
    }
    Packet *packet = &cluster->queue[cluster->queued++];
    packet->to = messages[i].to;
    packet->type = messages[i].type;
    packet->len = messages[i].bytes.len;
    packet->bytes = copy_of(messages[i].bytes);
    if (self->cut_off) {
      packet->to = 0;
    }
  }
  return RAFT_OK;
}

static raft_status apply(void *context, const raft_entry *committed, size_t len) {
  Server *self = context;
  if (fails(self)) {
    return RAFT_ERR_IO;
  }
  for (size_t i = 0; i < len; i++) {
    CHECK(committed[i].kind == RAFT_ENTRY_NORMAL);
    CHECK(committed[i].index == self->applied_index + 1);  // in order, once
    CHECK(committed[i].index < MAX_APPLIED && committed[i].data.len < MAX_TEXT);
    self->applied_index = committed[i].index;
    if (committed[i].data.len > 0) {
      memcpy(self->applied[committed[i].index], committed[i].data.data, committed[i].data.len);
    }
  }
  return RAFT_OK;
}

// A snapshot's data is the whole of what was applied.
static raft_status apply_snapshot(void *context, const raft_snapshot *snapshot) {
  Server *self = context;
  if (fails(self)) {
    return RAFT_ERR_IO;
  }
  CHECK(snapshot->index > self->applied_index);
  CHECK(snapshot->data.len <= sizeof self->applied);
  memset(self->applied, 0, sizeof self->applied);
  if (snapshot->data.len > 0) {
    memcpy(self->applied, snapshot->data.data, snapshot->data.len);
  }
  self->applied_index = snapshot->index;
  self->snapshots++;
  return RAFT_OK;
}

static raft_status apply_conf_change(void *context, const raft_entry *entry,
                                     const raft_conf_state *state, raft_slice encoded) {
  Server *self = context;
  if (fails(self)) {
    return RAFT_ERR_IO;
  }
  CHECK(entry->kind != RAFT_ENTRY_NORMAL);
  CHECK(entry->index == self->applied_index + 1);
  CHECK(state->voters_len > 0);
  self->applied_index = entry->index;
  self->conf_changes++;
  disk_set_conf_state(&self->disk, encoded);
  // A member that this change adds must find itself in the snapshot that it is sent.
  disk_snapshot(&self->disk, entry->index, raft_slice_of(self->applied, sizeof self->applied));
  return RAFT_OK;
}

static raft_status read_states(void *context, const raft_read_state *states, size_t len) {
  Server *self = context;
  if (fails(self)) {
    return RAFT_ERR_IO;
  }
  CHECK(len > 0);
  self->read_index = states[len - 1].index;
  return RAFT_OK;
}

static raft_status state_changed(void *context, const raft_soft_state *state, uint64_t at_term) {
  Server *self = context;
  if (fails(self)) {
    return RAFT_ERR_IO;
  }
  CHECK(at_term > 0);
  self->soft_state = *state;
  return RAFT_OK;
}

static raft_host server_host(Server *self) {
  raft_host host = {0};
  host.struct_size = sizeof host;
  host.context = self;
  host.persist = persist;
  host.send = send;
  host.apply = apply;
  host.apply_snapshot = apply_snapshot;
  host.apply_conf_change = apply_conf_change;
  host.read = read_states;
  host.state_changed = state_changed;
  return host;
}

static void drive(Server *self) {
  const raft_host host = server_host(self);
  bool worked = true;
  while (worked) {
    const size_t failures = self->cluster->failures;
    const raft_status status = raft_drive(self->node, &host, &worked);
    if (status == RAFT_ERR_CALLBACK) {
      CHECK(self->cluster->failures == failures + 1);
      CHECK(raft_has_ready(self->node));
      worked = true;
    } else {
      OK(status);
      CHECK(self->cluster->failures == failures);
    }
  }
}

static void apply_by_hand(Server *self, const raft_entry *entry) {
  if (entry->kind == RAFT_ENTRY_NORMAL) {
    OK(apply(self, entry, 1));
    return;
  }
  raft_conf_state_buffer *members = NULL;
  raft_conf_state state;
  raft_slice encoded;
  OK(raft_apply_conf_change(self->node, entry, &members));
  OK(raft_conf_state_buffer_view(members, &state));
  OK(raft_conf_state_buffer_encoded(members, &encoded));
  OK(apply_conf_change(self, entry, &state, encoded));
  raft_conf_state_buffer_free(members);
}

static void work_off(Server *self, raft_ready_view *view) {
  size_t now = 0;
  raft_persist what = {0};
  while (now < view->messages_len && !view->messages[now].requires_persistence) {
    now++;
  }
  for (size_t i = now; i < view->messages_len; i++) {
    CHECK(view->messages[i].requires_persistence);
  }
  what.entries = view->entries;
  what.entries_len = view->entries_len;
  what.hard_state = view->has_hard_state ? &view->hard_state : NULL;
  what.snapshot = view->snapshot;
  what.snapshot_encoded = view->snapshot_encoded;
  what.must_sync = view->must_sync;
  CHECK((view->snapshot != NULL) == view->has_snapshot);
  OK(send(self, view->messages, now));
  OK(persist(self, &what));
  OK(send(self, view->messages + now, view->messages_len - now));
  if (view->snapshot != NULL) {
    OK(apply_snapshot(self, view->snapshot));
  }
  for (size_t i = 0; i < view->committed_entries_len; i++) {
    apply_by_hand(self, &view->committed_entries[i]);
  }
  if (view->read_states_len > 0) {
    OK(read_states(self, view->read_states, view->read_states_len));
  }
  if (view->has_soft_state) {
    OK(state_changed(self, &view->soft_state, 1));
  }
}

void server_work(Server *self) {
  if (self->cluster->mode == BY_DRIVE) {
    drive(self);
    return;
  }
  while (raft_has_ready(self->node)) {
    raft_ready_view *view = NULL;
    OK(raft_ready(self->node, &view));
    if (view != NULL) {
      work_off(self, view);
      OK(raft_advance(self->node, view));
    }
  }
}

void server_start(Server *self) {
  raft_config config;
  const raft_storage storage = disk_storage(&self->disk);
  OK(raft_config_init(&config, sizeof config, self->id));
  config.applied = self->applied_index;
  config.seed = 7;
  config.log_cache_bytes = 64;  // small: entries are read back through the callbacks too
  OK(raft_node_new(&config, &storage, &self->node));
}

void server_restart(Server *self) {
  raft_node_free(self->node);
  CHECK(self->disk.released);
  self->disk.released = false;
  server_start(self);
}

raft_node_status_info server_status(Server *self) {
  raft_node_status_info info = {0};
  info.struct_size = sizeof info;
  OK(raft_node_status(self->node, &info));
  return info;
}
