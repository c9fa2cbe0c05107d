// SPDX-License-Identifier: Apache-2.0
//
// A program as it was written for the first header, which it is compiled with; it runs with the newest
// library. It passes structs of the sizes of that time, and reads arrays with the strides of that time.
// Neither this file nor the header beside it may change.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raftcore.h"

#if RAFT_ABI_MINOR != 1
#error "this is not the first header"
#endif

#define CHECK(condition)                                        \
  do {                                                          \
    if (!(condition)) {                                         \
      fprintf(stderr, "line %d: %s\n", __LINE__, #condition);   \
      exit(1);                                                  \
    }                                                           \
  } while (0)
#define OK(call) CHECK((call) == RAFT_OK)

enum { NODES = 3, LIMIT = 4096 };

typedef struct Guarded {
  uint64_t before;
  raft_config config;
  uint64_t after;  // a newer library knows more fields, and must not write them here
} Guarded;

static raft_node *nodes[NODES];
static size_t applied[NODES];
static size_t stored;
static size_t sent;

static raft_status persist(void *context, const raft_persist *what) {
  (void)context;
  stored += what->entries_len;
  CHECK(what->hard_state == NULL || what->hard_state->term > 0);
  return RAFT_OK;
}

// Delivered at once, by the receiver's own raft_step; what is refused is lost.
static raft_status send(void *context, const raft_message *messages, size_t len) {
  (void)context;
  for (size_t i = 0; i < len; i++) {
    raft_message_info info = {0};
    info.struct_size = sizeof info;
    OK(raft_message_inspect(messages[i].bytes, RAFT_DIALECT_ETCD, &info));
    CHECK(info.to == messages[i].to && info.type == messages[i].type && info.from >= 1);
    CHECK(info.to >= 1 && info.to <= NODES);
    sent += raft_step(nodes[info.to - 1], messages[i].bytes) == RAFT_OK;
  }
  return RAFT_OK;
}

static raft_status apply(void *context, const raft_entry *entries, size_t len) {
  for (size_t i = 0; i < len; i++) {
    CHECK(entries[i].kind == RAFT_ENTRY_NORMAL && entries[i].index > 1);
    applied[*(const size_t *)context] += entries[i].data.len > 0;
  }
  return RAFT_OK;
}

static void drive_all(void) {
  for (int round = 0, busy = 1; busy; round++) {
    CHECK(round < LIMIT);
    busy = 0;
    for (size_t i = 0; i < NODES; i++) {
      raft_host host = {0};
      bool worked = false;
      host.struct_size = sizeof host;
      host.context = &i;
      host.persist = persist;
      host.send = send;
      host.apply = apply;
      OK(raft_drive(nodes[i], &host, &worked));
      busy |= worked;
    }
  }
}

static void make_nodes(void) {
  static const uint64_t ids[NODES] = {1, 2, 3};
  raft_conf_state members = {0};
  members.voters = ids;
  members.voters_len = NODES;
  for (size_t i = 0; i < NODES; i++) {
    Guarded guarded;
    memset(&guarded, 0xa5, sizeof guarded);
    OK(raft_config_init(&guarded.config, sizeof guarded.config, ids[i]));
    CHECK(guarded.before == guarded.after && guarded.after == UINT64_C(0xa5a5a5a5a5a5a5a5));
    CHECK(guarded.config.struct_size == sizeof(raft_config) && guarded.config.election_ticks == 10);
    guarded.config.seed = 5;
    OK(raft_node_new_in_memory(&guarded.config, &members, &nodes[i]));
  }
}

// The group elects and replicates, with tables of callbacks of the old size.
static void a_group_works(void) {
  raft_slice words[2] = {raft_slice_of("two", 3), raft_slice_of("three", 5)};
  raft_entry_id placed = {0};
  OK(raft_campaign(nodes[0]));
  drive_all();
  OK(raft_propose(nodes[0], raft_slice_of("one", 3), &placed));
  CHECK(placed.term > 1 && placed.index == 3);
  OK(raft_propose_batch(nodes[0], words, 2, NULL));
  drive_all();
  for (int tick = 0; tick < 3; tick++) {
    OK(raft_tick(nodes[0]));
    drive_all();
  }
  CHECK(applied[0] == 3 && applied[1] == 3 && applied[2] == 3 && stored >= 9 && sent > 0);
}

// Results go where the old structs end.
static void looks_fit(void) {
  struct {
    raft_node_status_info info;
    uint64_t after;
  } status;
  raft_progress progress[NODES + 1];
  size_t len = 0;
  memset(&status, 0xa5, sizeof status);
  memset(progress, 0xa5, sizeof progress);
  status.info.struct_size = sizeof status.info;
  OK(raft_node_status(nodes[0], &status.info));
  CHECK(status.info.role == RAFT_ROLE_LEADER && status.info.last_index == 5);
  CHECK(status.after == UINT64_C(0xa5a5a5a5a5a5a5a5));
  OK(raft_node_progress(nodes[0], progress, NODES, &len));
  CHECK(len == NODES && progress[NODES].id == UINT64_C(0xa5a5a5a5a5a5a5a5));
  for (uint64_t id = 1; id <= NODES; id++) {
    CHECK(progress[id - 1].id == id && progress[id - 1].matched == 5 && !progress[id - 1].is_learner);
  }
}

// The view of a newer library is longer; what was there is where it was.
static void a_view_reads_as_before(void) {
  raft_ready_view *view = NULL;
  OK(raft_propose(nodes[0], raft_slice_of("four", 4), NULL));
  OK(raft_ready(nodes[0], &view));
  CHECK(view != NULL && view->struct_size >= sizeof *view && view->must_sync && !view->has_snapshot);
  CHECK(view->entries_len == 1 && view->entries[0].index == 6 && view->snapshot == NULL);
  CHECK(memcmp(view->entries[0].data.data, "four", 4) == 0 && view->messages_len == NODES - 1);
  OK(raft_advance(nodes[0], view));
}

static void bytes_survive(void) {
  static const uint64_t ids[2] = {4, 7};
  raft_snapshot snapshot = {0};
  raft_snapshot_buffer *buffer = NULL;
  uint8_t bytes[128];
  size_t len = 0;
  snapshot.term = 3;
  snapshot.index = 9;
  snapshot.conf_state.voters = ids;
  snapshot.conf_state.voters_len = 2;
  snapshot.data = raft_slice_of("state", 5);
  OK(raft_snapshot_encode(&snapshot, bytes, sizeof bytes, &len));
  memset(&snapshot, 0, sizeof snapshot);
  OK(raft_snapshot_decode(raft_slice_of(bytes, len), &buffer));
  OK(raft_snapshot_buffer_view(buffer, &snapshot));
  CHECK(snapshot.index == 9 && snapshot.conf_state.voters[1] == 7 && snapshot.data.len == 5);
  raft_snapshot_buffer_free(buffer);
}

int main(void) {
  CHECK(raft_abi_version() >> 16 == RAFT_ABI_MAJOR && (raft_abi_version() & 0xffff) >= RAFT_ABI_MINOR);
  make_nodes();
  a_group_works();
  looks_fit();
  a_view_reads_as_before();
  bytes_survive();
  CHECK(raft_tick(NULL) == RAFT_ERR_INVALID_ARGUMENT && strlen(raft_status_message(RAFT_ERR_IO)) > 0);
  for (size_t i = 0; i < NODES; i++) {
    raft_node_free(nodes[i]);
  }
  puts("an old program, a new library");
  return 0;
}
