// SPDX-License-Identifier: Apache-2.0
//
// Whatever a caller gets wrong is answered by a status, changes nothing, and names the argument:
// misuse_cases.h has a line for each mistake; what takes more than a line follows here.

#include "disk.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static raft_config good_config(void) {
  raft_config config;
  OK(raft_config_init(&config, sizeof config, 1));
  return config;
}

static raft_node *single_with(raft_config config) {
  static const uint64_t ids[] = {1};
  raft_conf_state members = {0};
  raft_node *node = NULL;
  config.pre_vote = false;  // a campaign changes the hard state at once
  members.voters = ids;
  members.voters_len = 1;
  OK(raft_node_new_in_memory(&config, &members, &node));
  return node;
}

static raft_node *single(void) { return single_with(good_config()); }

// The last error's text contains `words`.
static void check_detail(raft_node *node, const char *words) {
  char detail[256];
  size_t needed = 0;
  OK(raft_node_last_error(node, detail, sizeof detail, &needed));
  if (strstr(detail, words) == NULL || needed != strlen(detail) + 1) {
    fprintf(stderr, "\"%s\" is not in \"%s\"\n", words, detail);
    exit(1);
  }
}

#define INVALID(node, call, words)          \
  do {                                      \
    EXPECT(call, RAFT_ERR_INVALID_ARGUMENT); \
    check_detail(node, words);              \
  } while (0)

static raft_status send_nothing(void *context, const raft_message *messages, size_t len) {
  (void)context;
  (void)messages;
  (void)len;
  return RAFT_OK;
}

static raft_status apply_nothing(void *context, const raft_entry *entries, size_t len) {
  (void)context;
  (void)entries;
  (void)len;
  return RAFT_OK;
}

// Makes a lone node the leader, and does the work.
static void lead(raft_node *node) {
  raft_ready_view *view = NULL;
  OK(raft_campaign(node));
  for (OK(raft_ready(node, &view)); view != NULL; OK(raft_ready(node, &view))) {
    OK(raft_advance(node, view));
  }
}

// ---- The table ---------------------------------------------------------------------------------------

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
  uint64_t zero;
  uint64_t zeros[256];
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
  f->id.index = f->len = f->config.id = f->hard_state.term = f->soft_state.leader = 77;
  f->statuses[0] = f->statuses[1] = 77;
  f->progress.id = f->info.id = f->message_info.from = f->memory_info.last_term = 77;
  f->worked = true;
}

// What a failed call must have left alone.
static void fixture_check_results(const Fixture *f) {
  CHECK(f->other == NULL && f->view == NULL && f->members == NULL && f->changes == NULL);
  CHECK(f->snapshots == NULL && f->messages == NULL && f->storages == NULL);
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

static void freeing_nothing_is_allowed(void) {
  raft_node_free(NULL);
  raft_ready_free(NULL);
  raft_conf_state_buffer_free(NULL);
  raft_conf_change_buffer_free(NULL);
  raft_snapshot_buffer_free(NULL);
  raft_message_buffer_free(NULL);
  raft_memory_storage_free(NULL);
}

// ---- What takes more than a line -----------------------------------------------------------------------

// A newer caller's struct is larger: that is well as long as what is beyond is zero.
static void sizes_of_structs_are_checked(void) {
  struct {
    raft_config config;
    uint64_t from_the_future;
  } newer;
  raft_node *node = NULL;
  raft_config config = good_config();
  INVALID(NULL, raft_config_init(&config, offsetof(raft_config, priority) - 1, 1), "struct_size");
  INVALID(NULL, raft_config_init(&config, 0, 1), "struct_size");
  config.struct_size = 8;
  INVALID(NULL, raft_node_new_in_memory(&config, NULL, &node), "struct_size");
  config.struct_size = 1u << 20;
  INVALID(NULL, raft_node_new_in_memory(&config, NULL, &node), "struct_size");
  memset(&newer, 0xff, sizeof newer);
  OK(raft_config_init(&newer.config, sizeof newer, 1));
  CHECK(newer.config.struct_size == sizeof newer && newer.from_the_future == 0);
  newer.from_the_future = 1;
  INVALID(NULL, raft_node_new_in_memory(&newer.config, NULL, &node), "does not know");
  newer.from_the_future = 0;
  OK(raft_node_new_in_memory(&newer.config, NULL, &node));
  struct {
    raft_node_status_info info;
    uint64_t from_the_future;
  } status;
  memset(&status, 0xff, sizeof status);
  status.info.struct_size = sizeof status;
  OK(raft_node_status(node, &status.info));
  CHECK(status.info.struct_size == sizeof status && status.info.id == 1);
  CHECK(status.from_the_future == 0);
  raft_node_free(node);
}

static void storage_tables_must_be_complete_and_are_always_released(void) {
  static const uint64_t ids[] = {1};
  const raft_config config = good_config();
  raft_node *node = NULL;
  Disk disk = {0};
  disk_format(&disk, ids, 1);
  raft_storage storage = disk_storage(&disk);
  INVALID(NULL, raft_node_new(&config, NULL, &node), "`storage`");
  storage.struct_size--;
  INVALID(NULL, raft_node_new(&config, &storage, &node), "`storage`");
  CHECK(!disk.released);
  storage = disk_storage(&disk);
  storage.term = NULL;
  INVALID(NULL, raft_node_new(&config, &storage, &node), "`storage.term`");
  CHECK(disk.released);
  disk.released = false;
  storage = disk_storage(&disk);
  INVALID(NULL, raft_node_new(NULL, &storage, &node), "`config`");
  CHECK(disk.released);
  disk.released = false;
  INVALID(NULL, raft_node_new(&config, &storage, NULL), "`out`");
  CHECK(disk.released);
  disk.released = false;
  disk.hard_state.commit = 99;
  EXPECT(raft_node_new(&config, &storage, &node), RAFT_ERR_INCONSISTENT_STORAGE);
  CHECK(disk.released && node == NULL);
  disk_free(&disk);
}

static void host_tables_must_be_complete(void) {
  static const uint64_t ids[] = {1};
  const raft_config config = good_config();
  raft_node *node = NULL;
  raft_host host = {0};
  Disk disk = {0};
  disk_format(&disk, ids, 1);
  const raft_storage storage = disk_storage(&disk);
  OK(raft_node_new(&config, &storage, &node));
  INVALID(node, raft_drive(node, &host, NULL), "struct_size");
  host.struct_size = sizeof host;
  INVALID(node, raft_drive(node, &host, NULL), "`host.send`");
  host.send = send_nothing;
  INVALID(node, raft_drive(node, &host, NULL), "`host.apply`");
  host.apply = apply_nothing;
  INVALID(node, raft_drive(node, &host, NULL), "`host.persist`");
  raft_node_free(node);
  disk_free(&disk);
}

static void views_belong_to_their_node_and_are_advanced_once(void) {
  raft_node *node = single();
  raft_node *other = single();
  raft_ready_view *view = NULL;
  raft_ready_view *foreign = NULL;
  raft_ready_view *again = NULL;
  OK(raft_campaign(node));
  OK(raft_campaign(other));
  OK(raft_ready(node, &view));
  OK(raft_ready(other, &foreign));
  CHECK(view != NULL && view->struct_size == sizeof *view && view->has_hard_state);
  EXPECT(raft_ready(node, &again), RAFT_ERR_READY_OUTSTANDING);
  CHECK(again == NULL);
  EXPECT(raft_advance(node, foreign), RAFT_ERR_FOREIGN_READY);
  OK(raft_advance(node, view));
  EXPECT(raft_advance(node, view), RAFT_ERR_FOREIGN_READY);
  OK(raft_ready(node, &again));
  EXPECT(raft_advance(node, view), RAFT_ERR_FOREIGN_READY);
  OK(raft_advance(node, again));
  raft_ready_free(view);  // too late, and harmless as long as the node lives
  // A view outlives its node.
  raft_node_free(other);
  CHECK(foreign->has_hard_state && foreign->hard_state.term == 2);
  raft_ready_free(foreign);
  raft_node_free(node);
}

static void a_view_given_up_is_handed_out_again(void) {
  raft_node *node = single();
  raft_ready_view *view = NULL;
  raft_ready_view *again = NULL;
  OK(raft_campaign(node));
  OK(raft_ready(node, &view));
  const uint64_t term = view->hard_state.term;
  raft_ready_free(view);
  CHECK(raft_has_ready(node));
  EXPECT(raft_advance(node, view), RAFT_ERR_FOREIGN_READY);
  OK(raft_ready(node, &again));
  CHECK(again != NULL && again->has_hard_state && again->hard_state.term == term);
  OK(raft_advance(node, again));
  // One that was never taken up again goes with the node.
  OK(raft_ready(node, &view));
  raft_ready_free(view);
  raft_node_free(node);
}

static void errors_are_cut_to_the_buffer(void) {
  raft_node *node = single();
  char tiny[8];
  char none = 'x';
  size_t needed = 0;
  EXPECT(raft_advance(node, NULL), RAFT_ERR_INVALID_ARGUMENT);
  OK(raft_node_last_error(node, tiny, sizeof tiny, &needed));
  CHECK(strlen(tiny) == sizeof tiny - 1 && needed > sizeof tiny);
  OK(raft_node_last_error(node, &none, 0, NULL));
  CHECK(none == 'x');
  OK(raft_node_last_error(node, NULL, 0, &needed));
  raft_node_free(node);
}

static void statuses_have_texts(void) {
  for (int32_t status = 1; status > -60; status--) {
    CHECK(strlen(raft_status_message(status)) > 0);
  }
  CHECK(strcmp(raft_status_message(RAFT_ERR_BUSY), raft_status_message(-999)) != 0);
  CHECK(raft_abi_version() == (((uint32_t)RAFT_ABI_MAJOR << 16) | RAFT_ABI_MINOR));
  char version[32];
  snprintf(version, sizeof version, "%d.%d.%d", RAFT_VERSION_MAJOR, RAFT_VERSION_MINOR,
           RAFT_VERSION_PATCH);
  CHECK(strcmp(version, raft_version()) == 0);
}

// What a callback may not do is an error, and no deadlock; and the node lives on when a callback frees it.
static raft_status call_back(void *context, const raft_entry *entries, size_t len) {
  raft_node *node = *(raft_node **)context;
  raft_host host = {0};
  (void)entries;
  (void)len;
  host.struct_size = sizeof host;
  host.send = send_nothing;
  host.apply = apply_nothing;
  EXPECT(raft_drive(node, &host, NULL), RAFT_ERR_REENTRANT);
  raft_node_free(node);
  OK(raft_tick(node));  // the node is not locked meanwhile
  return RAFT_OK;
}

static void a_host_callback_cannot_drive_or_free_its_node(void) {
  raft_node *node = single();
  raft_host host = {0};
  bool worked = true;
  host.struct_size = sizeof host;
  host.context = &node;
  host.send = send_nothing;
  host.apply = call_back;
  OK(raft_campaign(node));
  while (worked) {
    OK(raft_drive(node, &host, &worked));
  }
  raft_node_free(node);
}

int main(void) {
  for (size_t i = 0; i < COUNT(CASES); i++) {
    run_case(&CASES[i]);
  }
  printf("%zu mistakes\n", COUNT(CASES));
  freeing_nothing_is_allowed();
  sizes_of_structs_are_checked();
  storage_tables_must_be_complete_and_are_always_released();
  host_tables_must_be_complete();
  views_belong_to_their_node_and_are_advanced_once();
  a_view_given_up_is_handed_out_again();
  errors_are_cut_to_the_buffer();
  statuses_have_texts();
  a_host_callback_cannot_drive_or_free_its_node();
  return 0;
}
