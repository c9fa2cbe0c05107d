// SPDX-License-Identifier: Apache-2.0

#include "support.h"

void expect_status(raft_status status, raft_status expected, const char *what, const char *file,
                   int line) {
  if (status != expected) {
    fprintf(stderr, "%s:%d: %s is %d (%s), expected %d (%s)\n", file, line, what, (int)status,
            raft_status_message(status), (int)expected, raft_status_message(expected));
    exit(1);
  }
}

raft_slice text(const char *text) { return raft_slice_of(text, strlen(text)); }

static void *room(void *old, size_t count, size_t size) {
  void *memory = realloc(old, count * size + 1);
  CHECK(memory != NULL);
  return memory;
}

static uint8_t *copy_of(raft_slice bytes) {
  uint8_t *copy = room(NULL, bytes.len, 1);
  if (bytes.len > 0) {
    memcpy(copy, bytes.data, bytes.len);
  }
  return copy;
}

// ---- Disk ------------------------------------------------------------------------------------------

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

// ---- What a server does for its node ---------------------------------------------------------------

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

static void server_start(Server *self) {
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

// ---- Cluster -----------------------------------------------------------------------------------------

static Server *add_server(Cluster *cluster) {
  CHECK(cluster->len < MAX_SERVERS);
  Server *server = &cluster->servers[cluster->len++];
  server->cluster = cluster;
  server->id = cluster->len;
  return server;
}

void cluster_start(Cluster *cluster, Mode mode, size_t first_members) {
  uint64_t ids[MAX_SERVERS];
  for (size_t i = 0; i < MAX_SERVERS; i++) {
    ids[i] = i + 1;
  }
  memset(cluster, 0, sizeof *cluster);
  cluster->mode = mode;
  for (size_t i = 0; i < first_members; i++) {
    Server *server = add_server(cluster);
    server->applied_index = 1;
    disk_format(&server->disk, ids, first_members);
    server_start(server);
  }
}

Server *cluster_join(Cluster *cluster) {
  Server *server = add_server(cluster);
  server_start(server);
  return server;
}

void cluster_free(Cluster *cluster) {
  for (size_t i = 0; i < cluster->len; i++) {
    raft_node_free(cluster->servers[i].node);
    CHECK(cluster->servers[i].disk.released);
    disk_free(&cluster->servers[i].disk);
  }
  for (size_t i = 0; i < cluster->queued; i++) {
    free(cluster->queue[i].bytes);
  }
  free(cluster->queue);
}

static void deliver(Cluster *cluster) {
  Packet packet = cluster->queue[0];
  memmove(cluster->queue, cluster->queue + 1, --cluster->queued * sizeof packet);
  Server *receiver = packet.to >= 1 && packet.to <= cluster->len ? &cluster->servers[packet.to - 1] : NULL;
  if (receiver != NULL && !receiver->cut_off) {
    const raft_status status =
        raft_step(receiver->node, raft_slice_of(packet.bytes, packet.len));
    CHECK(status == RAFT_OK || status == RAFT_ERR_PEER_NOT_FOUND ||
          status == RAFT_ERR_PROPOSAL_DROPPED);
    server_work(receiver);
  }
  free(packet.bytes);
}

void cluster_settle(Cluster *cluster) {
  for (size_t i = 0; i < cluster->len; i++) {
    server_work(&cluster->servers[i]);
  }
  while (cluster->queued > 0) {
    deliver(cluster);
  }
}

void cluster_tick(Cluster *cluster) {
  for (size_t i = 0; i < cluster->len; i++) {
    OK(raft_tick(cluster->servers[i].node));
  }
  cluster_settle(cluster);
}

Server *cluster_leader(Cluster *cluster) {
  for (int ticks = 0; ticks < 1000; ticks++) {
    Server *leader = NULL;
    uint64_t highest = 0;
    for (size_t i = 0; i < cluster->len; i++) {
      const raft_node_status_info info = server_status(&cluster->servers[i]);
      if (info.role == RAFT_ROLE_LEADER && info.term > highest && !cluster->servers[i].cut_off) {
        leader = &cluster->servers[i];
        highest = info.term;
      }
    }
    if (leader != NULL) {
      return leader;
    }
    cluster_tick(cluster);
  }
  CHECK(!"a leader is elected");
  return NULL;
}

raft_entry_id cluster_propose(Cluster *cluster, const char *words) {
  raft_entry_id placed = {0, 0};
  OK(raft_propose(cluster_leader(cluster)->node, text(words), &placed));
  CHECK(placed.index > 0);
  return placed;
}

void cluster_await(Cluster *cluster, uint64_t index) {
  for (int ticks = 0; ticks < 1000; ticks++) {
    bool all = true;
    for (size_t i = 0; i < cluster->len; i++) {
      const Server *server = &cluster->servers[i];
      all = all && (server->cut_off || server->applied_index >= index);
    }
    if (all) {
      return;
    }
    cluster_tick(cluster);
  }
  CHECK(!"everybody applies it");
}
