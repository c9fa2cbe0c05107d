// SPDX-License-Identifier: Apache-2.0
//
// Three Raft nodes in one process elect a leader, agree on a few commands, and print them.
//
// The library does no I/O. What a host brings is all here, in its simplest form:
//   storage    where a node's log is (an array; a real host has a file)           raft_storage
//   host       what is done for a node: store, send, apply                        raft_host
//   transport  how messages get from node to node (a queue; a real one: sockets)  raft_step
//              (real ones exchange raft_config_handshake first: messages do not name their group)
//   a clock                                                                       raft_tick

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <raftcore.h>

enum { NODES = 3, LOG_ROOM = 64, QUEUE_ROOM = 64 };

static const uint64_t IDS[NODES] = {1, 2, 3};

// A group starts from a snapshot at index 1 of term 1; so the first entry has index 2.
static const uint64_t FIRST = 2;

typedef struct server {
  uint64_t id;
  raft_node *node;
  raft_hard_state hard_state;     // term, vote and commit index, as stored last
  raft_entry log[LOG_ROOM];       // log[i] is the entry at index FIRST + i ...
  char payloads[LOG_ROOM][32];    // ... and here is its payload
  size_t log_len;
  uint64_t applied;
} server;

static server servers[NODES];

static void check(raft_status status, raft_node *node) {
  if (status != RAFT_OK) {
    char detail[256] = "";
    raft_node_last_error(node, detail, sizeof detail, NULL);
    fprintf(stderr, "%s: %s\n", raft_status_message(status), detail);
    exit(1);
  }
}

static raft_conf_state members(void) {
  raft_conf_state state = {0};
  state.voters = IDS;
  state.voters_len = NODES;
  return state;
}

// ---- Storage: what a node reads back -------------------------------------------------------------

static raft_status initial_state(void *context, raft_hard_state *hard_state,
                                 raft_conf_state_sink *conf_state) {
  const raft_conf_state state = members();
  *hard_state = ((const server *)context)->hard_state;
  return raft_conf_state_sink_set(conf_state, &state);
}

static raft_status entries(void *context, uint64_t low, uint64_t high, uint64_t max_bytes,
                           raft_entry_sink *out) {
  const server *self = context;
  (void)max_bytes;  // the sink counts, and says when it has enough
  if (low < FIRST) return RAFT_ERR_COMPACTED;
  if (high > FIRST + self->log_len) return RAFT_ERR_UNAVAILABLE;
  for (uint64_t index = low; index < high; index++) {
    if (raft_entry_sink_push(out, &self->log[index - FIRST]) != RAFT_OK) break;
  }
  return RAFT_OK;
}

static raft_status term(void *context, uint64_t index, uint64_t *out) {
  const server *self = context;
  if (index < FIRST - 1) return RAFT_ERR_COMPACTED;
  if (index >= FIRST + self->log_len) return RAFT_ERR_UNAVAILABLE;
  *out = index == FIRST - 1 ? 1 : self->log[index - FIRST].term;
  return RAFT_OK;
}

static raft_status first_index(void *context, uint64_t *index) {
  (void)context;
  *index = FIRST;
  return RAFT_OK;
}

static raft_status last_index(void *context, uint64_t *index) {
  *index = FIRST - 1 + ((const server *)context)->log_len;
  return RAFT_OK;
}

static raft_status snapshot(void *context, raft_snapshot_sink *out) {
  const raft_snapshot empty = {.term = 1, .index = FIRST - 1, .conf_state = members()};
  (void)context;
  return raft_snapshot_sink_set(out, &empty);
}

// ---- Host: what is done for a node ---------------------------------------------------------------

// A real host writes one batch to its disk here, and syncs it if what->must_sync.
static raft_status persist(void *context, const raft_persist *what) {
  server *self = context;
  if (what->hard_state != NULL) {
    self->hard_state = *what->hard_state;
  }
  for (size_t i = 0; i < what->entries_len; i++) {
    const raft_entry *entry = &what->entries[i];
    const size_t at = (size_t)(entry->index - FIRST);
    if (at >= LOG_ROOM || entry->data.len > sizeof self->payloads[at]) return RAFT_ERR_IO;
    self->log[at] = *entry;
    self->log[at].data = raft_slice_of(self->payloads[at], entry->data.len);
    if (entry->data.len > 0) {
      memcpy(self->payloads[at], entry->data.data, entry->data.len);
    }
    self->log_len = at + 1;  // an entry replaces an older one, and all that followed it
  }
  return RAFT_OK;
}

static struct packet {
  uint64_t to;
  size_t len;
  unsigned char bytes[512];
} queue[QUEUE_ROOM];
static size_t queued;

static raft_status send(void *context, const raft_message *messages, size_t len) {
  (void)context;
  for (size_t i = 0; i < len; i++) {
    const raft_slice bytes = messages[i].bytes;
    if (queued == QUEUE_ROOM || bytes.len > sizeof queue->bytes) break;  // messages may be lost
    queue[queued].to = messages[i].to;
    queue[queued].len = bytes.len;
    memcpy(queue[queued++].bytes, bytes.data, bytes.len);
  }
  return RAFT_OK;
}

static raft_status apply(void *context, const raft_entry *committed, size_t len) {
  server *self = context;
  for (size_t i = 0; i < len; i++) {
    const raft_slice data = committed[i].data;
    if (data.len > 0) {  // a term starts with an empty entry
      printf("node %" PRIu64 " applies %" PRIu64 ": %.*s\n", self->id, committed[i].index,
             (int)data.len, (const char *)data.data);
    }
    self->applied = committed[i].index;
  }
  return RAFT_OK;
}

static raft_status state_changed(void *context, const raft_soft_state *state, uint64_t at_term) {
  if (state->role == RAFT_ROLE_LEADER) {
    printf("node %" PRIu64 " leads in term %" PRIu64 "\n", ((server *)context)->id, at_term);
  }
  return RAFT_OK;
}

// ---- The program ---------------------------------------------------------------------------------

static void start(server *self, uint64_t id) {
  const raft_storage storage = {
      .struct_size = sizeof storage, .context = self,
      .initial_state = initial_state, .entries = entries, .term = term,
      .first_index = first_index, .last_index = last_index, .snapshot = snapshot};
  raft_config config;
  self->id = id;
  self->hard_state = (raft_hard_state){.term = 1, .commit = FIRST - 1};
  check(raft_config_init(&config, sizeof config, id), NULL);
  check(raft_node_new(&config, &storage, &self->node), NULL);
}

// Does everything that the node wants done.
static void drive(server *self) {
  const raft_host host = {
      .struct_size = sizeof host, .context = self,
      .persist = persist, .send = send, .apply = apply, .state_changed = state_changed};
  bool worked = true;
  while (worked) {
    check(raft_drive(self->node, &host, &worked), self->node);
  }
}

// One interval of the clock, and everything that follows from it.
static void pass_time(void) {
  for (int i = 0; i < NODES; i++) {
    check(raft_tick(servers[i].node), servers[i].node);
    drive(&servers[i]);
  }
  while (queued > 0) {
    const struct packet first = queue[0];
    server *receiver = &servers[first.to - 1];
    memmove(queue, queue + 1, --queued * sizeof *queue);
    check(raft_step(receiver->node, raft_slice_of(first.bytes, first.len)), receiver->node);
    drive(receiver);
  }
}

static raft_node *leader(void) {
  for (int i = 0; i < NODES; i++) {
    raft_node_status_info info = {.struct_size = sizeof info};
    check(raft_node_status(servers[i].node, &info), servers[i].node);
    if (info.role == RAFT_ROLE_LEADER) return servers[i].node;
  }
  return NULL;
}

int main(void) {
  static const char *const commands[] = {"set x 1", "set y 2", "delete x"};
  raft_entry_id last = {0, 0};
  for (int i = 0; i < NODES; i++) {
    start(&servers[i], IDS[i]);
  }
  while (leader() == NULL) {
    pass_time();
  }
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    const raft_slice data = raft_slice_of(commands[i], strlen(commands[i]));
    check(raft_propose(leader(), data, &last), leader());
  }
  for (int i = 0; i < NODES; i++) {
    while (servers[i].applied < last.index) {
      pass_time();
    }
  }
  for (int i = 0; i < NODES; i++) {
    raft_node_free(servers[i].node);
  }
  puts("three nodes agree");
  return 0;
}
