// SPDX-License-Identifier: Apache-2.0
//
// Whatever a caller gets wrong is answered by a status, changes nothing, and names the argument: the table.
// misuse_cases.h has a line for each mistake; misuse_more_test.c has what takes more than a line.

#include "misuse.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

// All that a call may want, in good order; results are canaries.
typedef struct Fixture {
  raft_node *node;     // synchronous
  raft_node *async;    // with asynchronous storage writes
  raft_node *lending;  // with lent snapshots
  raft_memory_storage *memory;
  raft_config good;
  uint64_t voter;
  raft_slice x;
  raft_slice dangling;
  raft_entry entry;         // an ordinary one
  raft_entry broken_entry;  // a change without its payload
  raft_entry change_entry;
  raft_conf_change_op op;
  raft_conf_change change;
  raft_conf_change broken_change;
  raft_conf_state state;
  raft_conf_state broken_state;
  raft_snapshot snapshot;
  raft_host host;
  raft_observer observer;
  raft_ack ack;
  raft_message_fields fields;
  raft_message_info message_info;
  raft_node_status_info info;
  raft_memory_storage_info memory_info;
  raft_storage storage;
  raft_storage complete;  // of the disk
  Disk disk;
  raft_checked_storage checked;
  uint64_t zero;
  _Alignas(64) uint64_t zeros[256];  // could be anything
  raft_conf_change_buffer *shown_change;
  raft_message_buffer *shown_message;
  raft_recovery *shown_recovery;
  raft_recovery_request request;
  bool expect_len;  // the call tells how much room it needs
  size_t released;
  // Results.
  raft_node *other;
  raft_ready_view *view;
  raft_conf_state_buffer *members;
  raft_conf_change_buffer *changes;
  raft_snapshot_buffer *snapshots;
  raft_message_buffer *messages;
  raft_memory_storage *storages;
  raft_recovery *recoveries;
  raft_recovery_plan plan;
  raft_log_position position;
  raft_entry_id id;
  raft_status statuses[2];
  raft_config config;
  raft_hard_state hard_state;
  raft_soft_state soft_state;
  raft_progress progress;
  char text[64];
  uint8_t bytes[64];
  size_t len;
  bool worked;
} Fixture;

static void release(void *context) { ++*(size_t *)context; }

static void make_recovery(const raft_conf_state *members, raft_recovery **out) {
  raft_snapshot snapshot = {0};
  uint8_t backup[64];
  size_t len = 0;
  snapshot.term = snapshot.index = 1;
  OK(raft_backup_encode(&snapshot, backup, sizeof backup, &len));
  OK(raft_restore(raft_slice_of(backup, len), members, out));
}

static void fixture_make(Fixture *f) {
  raft_config config = good_config();
  memset(f, 0, sizeof *f);
  f->node = single();
  config.async_storage_writes = true;
  f->async = single_with(config);
  config.async_storage_writes = false;
  config.lend_snapshots = true;
  f->lending = single_with(config);
  OK(raft_memory_storage_new(NULL, &f->memory));
  f->good = good_config();
  f->voter = 1;
  f->x = text("x");
  f->dangling.len = 3;
  f->broken_entry.kind = RAFT_ENTRY_CONF_CHANGE;
  f->broken_entry.data = f->dangling;
  f->change_entry.kind = RAFT_ENTRY_CONF_CHANGE_V2;
  f->op.node = 2;
  f->change.struct_size = sizeof f->change;
  f->change.ops = &f->op;
  f->change.ops_len = 1;
  f->broken_change = f->change;
  f->broken_change.ops = NULL;
  f->state.voters = &f->voter;
  f->state.voters_len = 1;
  f->broken_state.voters_len = 1;
  f->snapshot.conf_state = f->state;
  f->host.struct_size = sizeof f->host;
  f->host.send = send_nothing;
  f->host.apply = apply_nothing;
  f->observer.struct_size = sizeof f->observer;
  f->fields.struct_size = sizeof f->fields;
  f->fields.type = RAFT_MESSAGE_TIMEOUT_NOW;
  f->message_info.struct_size = sizeof f->message_info;
  f->info.struct_size = sizeof f->info;
  f->memory_info.struct_size = sizeof f->memory_info;
  f->storage.struct_size = sizeof f->storage;
  f->complete = disk_storage(&f->disk);
  f->complete.release = NULL;
  f->checked.struct_size = sizeof f->checked;
  OK(raft_conf_change_decode(&f->change_entry, RAFT_DIALECT_ETCD, &f->shown_change));
  OK(raft_message_decode(text("\x08\x0e\x10\x01\x18\x02\x20\x03"), &f->shown_message));
  f->request.struct_size = sizeof f->request;
  f->request.node = 1;
  f->request.members = &f->state;
  f->plan.struct_size = sizeof f->plan;
  f->plan.committed = f->position.node = 77;
  make_recovery(&f->state, &f->shown_recovery);
  f->id.index = f->len = f->config.id = f->hard_state.term = f->soft_state.leader = 77;
  f->statuses[0] = f->statuses[1] = 77;
  f->progress.id = f->info.id = f->message_info.from = f->memory_info.last_term = 77;
  f->worked = true;
}

// What a failed call must have left alone.
static void fixture_check_results(const Fixture *f) {
  CHECK(f->other == NULL && f->view == NULL && f->members == NULL && f->changes == NULL);
  CHECK(f->snapshots == NULL && f->messages == NULL && f->storages == NULL);
  CHECK(f->recoveries == NULL && f->plan.committed == 77 && f->position.node == 77);
  CHECK(f->storage.context == NULL && f->memory_info.last_term == 77);
  CHECK(f->id.index == 77 && f->config.id == 77 && f->hard_state.term == 77);
  CHECK(f->soft_state.leader == 77 && f->statuses[0] == 77 && f->statuses[1] == 77);
  CHECK(f->progress.id == 77 && f->info.id == 77 && f->message_info.from == 77 && f->worked);
  CHECK(f->expect_len ? f->len != 77 : f->len == 77);
  for (size_t i = 0; i < sizeof f->bytes; i++) {
    CHECK(f->bytes[i] == 0 && f->text[i] == 0);
  }
}

static void fixture_free(Fixture *f) {
  raft_node_free(f->node);
  raft_node_free(f->async);
  raft_node_free(f->lending);
  raft_memory_storage_free(f->memory);
  raft_conf_change_buffer_free(f->shown_change);
  raft_message_buffer_free(f->shown_message);
  raft_recovery_free(f->shown_recovery);
}

#define X text("x")
#define DANGLING (f->dangling)
#define GARBAGE text("\xff\xff\xff\xff garbage")
#define ENDLESS raft_slice_of(f->zeros, SIZE_MAX)
#define ABSURD raft_slice_of(f->zeros, SIZE_MAX / 4)
#define LENT release, &f->released

#define CASE(name, node, status, words, call)            \
  static raft_status run_##name(Fixture *f) {            \
    (void)f;                                             \
    return call;                                         \
  }                                                      \
  static raft_node *node_##name(const Fixture *f) {      \
    (void)f;                                             \
    return node;                                         \
  }
#include "misuse_cases.h"
#undef CASE

typedef struct Case {
  const char *name;
  raft_status (*run)(Fixture *f);
  raft_node *(*node)(const Fixture *f);  // whose last error tells
  raft_status expected;
  const char *words;
  const char *call;
} Case;

static const Case CASES[] = {
#define CASE(name, node, status, words, call) {#name, run_##name, node_##name, status, words, #call},
#include "misuse_cases.h"
#undef CASE
};

static void state_of(raft_node *node, char *out, size_t room) {
  OK(raft_node_status_json(node, out, room, NULL));
}

static void run_case(const Case *it) {
  Fixture f;
  char before[3][1024];
  char after[3][1024];
  fixture_make(&f);
  raft_node *const nodes[] = {f.node, f.async, f.lending};
  for (size_t i = 0; i < COUNT(nodes); i++) {
    state_of(nodes[i], before[i], sizeof before[i]);
  }
  expect_status(it->run(&f), it->expected, it->call, it->name, 0);
  check_detail(it->node(&f), it->words);
  fixture_check_results(&f);
  const bool lends = strstr(it->call, "release, &") != NULL || strstr(it->call, "LENT") != NULL;
  CHECK(f.released == lends);
  for (size_t i = 0; i < COUNT(nodes); i++) {
    state_of(nodes[i], after[i], sizeof after[i]);
    CHECK(strcmp(it->name, "progress_small") == 0 || strcmp(before[i], after[i]) == 0);
  }
  fixture_free(&f);
}

int main(void) {
  for (size_t i = 0; i < COUNT(CASES); i++) {
    run_case(&CASES[i]);
  }
  printf("%zu mistakes\n", COUNT(CASES));
  return 0;
}
