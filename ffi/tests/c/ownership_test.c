// SPDX-License-Identifier: Apache-2.0
//
// Every function that hands memory out or takes it, with an allocator that counts: when all is freed as
// the header says, nothing is left, whether the calls succeed or fail.

#include "disk.h"

#if defined(__GLIBC__)
#include <stdatomic.h>

static atomic_llong blocks;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

static void *counted(void *block) {
  blocks += block != NULL;
  return block;
}

// These take the place of the C library's own, in this program and in libraftcore.
void *malloc(size_t size) { return counted(__libc_malloc(size)); }
void *calloc(size_t count, size_t size) { return counted(__libc_calloc(count, size)); }
void *memalign(size_t alignment, size_t size) { return counted(__libc_memalign(alignment, size)); }
void *aligned_alloc(size_t alignment, size_t size) {
  return counted(__libc_memalign(alignment, size));
}
int posix_memalign(void **out, size_t alignment, size_t size) {
  *out = counted(__libc_memalign(alignment, size));
  return *out == NULL ? 12 : 0;
}
void *realloc(void *old, size_t size) {
  void *block = __libc_realloc(old, size);
  blocks += (old == NULL && block != NULL) - (old != NULL && size == 0);
  return block;
}
void free(void *block) {
  blocks -= block != NULL;
  __libc_free(block);
}

static size_t lent;  // how many things are lent right now
static void give_back(void *context) {
  (void)context;
  lent--;
}
#define LEND (lent++, give_back), NULL

static raft_node *make(bool lends, bool async) {
  static const uint64_t ids[] = {1};
  raft_conf_state members = {0};
  raft_config config;
  raft_node *node = NULL;
  members.voters = ids;
  members.voters_len = 1;
  OK(raft_config_init(&config, sizeof config, 1));
  config.lend_snapshots = lends;
  config.async_storage_writes = async;
  OK(raft_node_new_in_memory(&config, &members, &node));
  return node;
}

static raft_ready_view *take(raft_node *node) {
  raft_ready_view *view = NULL;
  OK(raft_ready(node, &view));
  return view;
}

static void lead(raft_node *node) {
  OK(raft_campaign(node));
  for (raft_ready_view *view = take(node); view != NULL; view = take(node)) {
    OK(raft_advance(node, view));
  }
}

static void nodes(void) {
  static const uint64_t ids[] = {1};
  raft_config config;
  raft_node *node = NULL;
  Disk disk = {0};
  disk_format(&disk, ids, 1);
  raft_storage storage = disk_storage(&disk);
  OK(raft_config_init(&config, sizeof config, 1));
  OK(raft_node_new(&config, &storage, &node));
  raft_node_free(node);
  CHECK(disk.released);
  disk.released = false;
  config.id = 0;
  EXPECT(raft_node_new(&config, &storage, &node), RAFT_ERR_CONFIG);
  CHECK(disk.released);
  EXPECT(raft_node_new_in_memory(&config, NULL, &node), RAFT_ERR_CONFIG);
  disk_free(&disk);
}

static void views(void) {
  raft_node *node = make(false, false);
  lead(node);
  for (int i = 0; i < 50; i++) {
    OK(raft_propose(node, text("payload"), NULL));
    raft_ready_view *view = take(node);
    if (i % 3 == 0) {
      raft_ready_free(view);  // given up, and handed out again
      view = take(node);
    }
    OK(raft_advance(node, view));
  }
  OK(raft_propose(node, text("one"), NULL));
  raft_ready_free(take(node));  // goes with the node
  raft_node_free(node);
  node = make(false, false);
  OK(raft_campaign(node));
  raft_ready_view *view = take(node);
  raft_node_free(node);
  raft_ready_free(view);  // outlives it
}

static void acknowledged_views(void) {
  raft_node *node = make(false, true);
  raft_ready_view *out[40];
  OK(raft_campaign(node));
  for (int i = 0; i < 40; i++) {
    out[i] = take(node);
    if (out[i] != NULL) {
      OK(raft_acknowledge(node, out[i]->storage_acks, out[i]->storage_acks_len));
      OK(raft_acknowledge(node, out[i]->apply_ack, out[i]->apply_ack != NULL));
    } else {
      OK(raft_propose(node, text("x"), NULL));
    }
  }
  for (int i = 0; i < 39; i++) {
    raft_ready_free(out[i]);
  }
  raft_node_free(node);
  raft_ready_free(out[39]);
}

static void payloads(void) {
  const raft_slice words[2] = {text("one"), text("two")};
  const raft_slice broken = {NULL, 3};
  raft_node *node = make(false, false);
  EXPECT(raft_propose_owned(node, words[0], LEND, NULL), RAFT_ERR_PROPOSAL_DROPPED);
  EXPECT(raft_propose_owned(NULL, words[0], LEND, NULL), RAFT_ERR_INVALID_ARGUMENT);
  CHECK(lent == 0);
  lead(node);
  OK(raft_propose_owned(node, words[0], LEND, NULL));
  OK(raft_propose_batch_owned(node, words, 2, LEND, NULL));
  OK(raft_propose_batch(node, words, 2, NULL));
  EXPECT(raft_propose_batch_owned(node, &broken, 1, LEND, NULL), RAFT_ERR_INVALID_ARGUMENT);
  EXPECT(raft_step_owned(node, words[0], LEND), RAFT_ERR_DECODE);
  EXPECT(raft_step_snapshot(node, words[0], words[1], LEND), RAFT_ERR_DECODE);
  CHECK(lent == 2);
  OK(raft_advance(node, take(node)));
  raft_node_free(node);
  CHECK(lent == 0);
}

static void memberships(void) {
  const raft_conf_change_op learner = {RAFT_CONF_ADD_LEARNER, 2};
  raft_conf_state_buffer *members = NULL;
  raft_conf_state_buffer *again = NULL;
  raft_conf_change_buffer *change = NULL;
  raft_slice encoded;
  raft_node *node = make(false, false);
  lead(node);
  OK(raft_propose_conf_change(node, &learner, 1, RAFT_TRANSITION_AUTO, text("address"), NULL));
  raft_ready_view *view = take(node);
  OK(raft_conf_change_decode(&view->entries[0], RAFT_DIALECT_ETCD, &change));
  OK(raft_apply_conf_change(node, &view->entries[0], &members));
  OK(raft_apply_conf_change(node, &view->entries[0], NULL));
  raft_conf_change shown = {0};
  shown.struct_size = sizeof shown;
  OK(raft_conf_change_buffer_view(change, &shown));
  OK(raft_apply_conf_change_as(node, &view->entries[0], &shown, &again));
  raft_conf_state_buffer_free(again);
  OK(raft_conf_state_buffer_encoded(members, &encoded));
  OK(raft_conf_state_decode(encoded, &again));
  raft_conf_state_buffer_free(again);
  OK(raft_node_conf_state(node, &again));
  EXPECT(raft_conf_state_decode(text("\xff"), &again), RAFT_ERR_DECODE);
  OK(raft_advance(node, view));
  raft_node_free(node);
  raft_conf_state_buffer_free(again);
  raft_conf_state_buffer_free(members);
  raft_conf_change_buffer_free(change);
}

static void messages_and_snapshots(void) {
  raft_snapshot snapshot = {0};
  raft_message_fields fields = {0};
  raft_snapshot_buffer *one = NULL;
  raft_snapshot_buffer *two = NULL;
  raft_message_buffer *message = NULL;
  uint8_t bytes[256];
  size_t len = 0;
  snapshot.term = snapshot.index = 7;
  snapshot.data = text("state");
  OK(raft_snapshot_encode(&snapshot, bytes, sizeof bytes, &len));
  OK(raft_snapshot_decode(raft_slice_of(bytes, len), &one));
  OK(raft_snapshot_buffer_share(one, &two));
  raft_snapshot_buffer_free(one);
  OK(raft_snapshot_buffer_view(two, &snapshot));
  fields.struct_size = sizeof fields;
  fields.type = RAFT_MESSAGE_SNAPSHOT;
  fields.from = 2;
  fields.to = 1;
  fields.term = 9;
  fields.snapshot = &snapshot;
  OK(raft_message_encode(&fields, bytes, sizeof bytes, &len));
  OK(raft_message_decode(raft_slice_of(bytes, len), &message));
  EXPECT(raft_message_encode(&fields, bytes, 1, &len), RAFT_ERR_TOO_LARGE);
  raft_snapshot_buffer_free(two);
  raft_message_buffer_free(message);
  EXPECT(raft_message_decode(text("\xff"), &message), RAFT_ERR_DECODE);
  EXPECT(raft_snapshot_decode(text("\xff"), &one), RAFT_ERR_DECODE);
}

// Answers with a snapshot that is lent; and, first, with one that is refused.
static raft_status lend_snapshot(void *context, raft_snapshot_sink *out) {
  static const uint64_t ids[] = {1, 2};
  raft_snapshot snapshot = {0};
  (void)context;
  EXPECT(raft_snapshot_sink_set_owned(out, NULL, LEND), RAFT_ERR_INVALID_ARGUMENT);
  snapshot.term = snapshot.index = 1;
  snapshot.conf_state.voters = ids;
  snapshot.conf_state.voters_len = 2;
  snapshot.data = text("state");
  OK(raft_snapshot_sink_set_owned(out, &snapshot, LEND));
  return raft_snapshot_sink_set_owned(out, &snapshot, LEND);  // in place of the first
}

// A leader reads its storage's snapshot for a member that needs it.
static void snapshots_of_a_storage(void) {
  static const uint64_t ids[] = {1, 2};
  raft_config config;
  raft_node *node = NULL;
  Disk disk = {0};
  disk_format(&disk, ids, 2);
  raft_storage storage = disk_storage(&disk);
  storage.snapshot = lend_snapshot;
  OK(raft_config_init(&config, sizeof config, 1));
  config.pre_vote = false;
  OK(raft_node_new(&config, &storage, &node));
  disk_lead(&disk, node, 1, 0);
  raft_ready_view *view = take(node);
  CHECK(view->messages_len > 0 && view->messages[0].type == RAFT_MESSAGE_SNAPSHOT);
  raft_ready_free(view);
  raft_node_free(node);
  disk_free(&disk);
}

static void lent_snapshots(void) {
  raft_node *node = make(true, false);
  lead(node);
  OK(raft_memory_snapshot_owned(node, 2, text("state"), LEND));
  EXPECT(raft_memory_snapshot_owned(node, 2, text("state"), LEND), RAFT_ERR_STORAGE);
  CHECK(lent == 1);
  OK(raft_propose(node, text("x"), NULL));
  OK(raft_advance(node, take(node)));
  OK(raft_memory_snapshot(node, 3, text("newer")));
  CHECK(lent == 0);
  OK(raft_memory_compact(node, 3));
  raft_node_free(node);
}

static void memory_storages(void) {
  static const uint64_t ids[] = {1};
  raft_conf_state members = {0};
  raft_config config;
  raft_storage table = {0};
  raft_memory_storage *storage = NULL;
  raft_snapshot_buffer *snapshot = NULL;
  raft_conf_state_buffer *stored = NULL;
  raft_node *node = NULL;
  members.voters = ids;
  members.voters_len = 1;
  OK(raft_config_init(&config, sizeof config, 1));
  OK(raft_memory_storage_new(&members, &storage));
  table.struct_size = 8;
  EXPECT(raft_memory_storage_table(storage, &table), RAFT_ERR_INVALID_ARGUMENT);
  table.struct_size = sizeof table;
  OK(raft_memory_storage_table(storage, &table));
  OK(raft_node_new(&config, &table, &node));
  OK(raft_campaign(node));
  for (raft_ready_view *view = take(node); view != NULL; view = take(node)) {
    OK(raft_memory_storage_store(storage, view));
    OK(raft_advance(node, view));
  }
  OK(raft_memory_storage_create_snapshot_owned(storage, 2, NULL, text("state"), LEND));
  EXPECT(raft_memory_storage_create_snapshot_owned(storage, 2, NULL, text("s"), LEND), RAFT_ERR_STORAGE);
  OK(raft_memory_storage_compact(storage, 2));
  OK(raft_memory_storage_snapshot(storage, &snapshot));
  OK(raft_memory_storage_conf_state(storage, &stored));
  raft_conf_state_buffer_free(stored);
  raft_memory_storage_free(storage);
  raft_node_free(node);
  CHECK(lent == 1);  // somebody has a share in the snapshot
  raft_snapshot_buffer_free(snapshot);
  // A node that is refused gives its table back, too.
  OK(raft_memory_storage_new(NULL, &storage));
  OK(raft_memory_storage_table(storage, &table));
  config.id = 0;
  EXPECT(raft_node_new(&config, &table, &node), RAFT_ERR_CONFIG);
  raft_memory_storage_free(storage);
}

static void observers(void) {
  raft_observer observer = {0};
  raft_node *node = make(false, false);
  observer.struct_size = sizeof observer;
  observer.release = give_back;
  for (int i = 0; i < 3; i++) {
    lent++;
    OK(raft_node_set_observer(node, &observer));
    CHECK(lent == 1);
  }
  observer.log_level = 99;
  lent++;
  EXPECT(raft_node_set_observer(node, &observer), RAFT_ERR_INVALID_ARGUMENT);
  CHECK(lent == 1);
  raft_node_free(node);
  CHECK(lent == 0);
}

static void recoveries(void) {
  static const uint64_t ids[] = {1, 2, 3};
  const raft_conf_state alone = {.voters = ids, .voters_len = 1};
  raft_recovery_request request = {.struct_size = sizeof request, .node = 1, .members = &alone};
  raft_snapshot snapshot = {.term = 2, .index = 7, .conf_state = alone};
  raft_recovery *recovery = NULL;
  raft_snapshot_buffer *decoded = NULL;
  raft_recovery_plan plan = {.struct_size = sizeof plan};
  uint8_t backup[128];
  size_t len = 0;
  Disk disk = {0};
  disk_format(&disk, ids, 3);
  const raft_storage storage = disk_storage(&disk);
  OK(raft_recover(&storage, &request, &recovery));
  OK(raft_recovery_view(recovery, &plan));
  raft_recovery_free(recovery);
  CHECK(!disk.released);
  request.node = 9;
  EXPECT(raft_recover(&storage, &request, &recovery), RAFT_ERR_RECOVERY);
  disk_free(&disk);
  snapshot.data = text("state");
  OK(raft_backup_encode(&snapshot, backup, sizeof backup, &len));
  OK(raft_restore(raft_slice_of(backup, len), &alone, &recovery));
  OK(raft_recovery_view(recovery, &plan));
  OK(raft_snapshot_buffer_share(plan.persist->snapshot_buffer, &decoded));
  raft_recovery_free(recovery);
  raft_snapshot_buffer_free(decoded);
  OK(raft_backup_decode(raft_slice_of(backup, len), &decoded));
  raft_snapshot_buffer_free(decoded);
  backup[len - 1] ^= 1;
  EXPECT(raft_backup_decode(raft_slice_of(backup, len), &decoded), RAFT_ERR_DECODE);
  EXPECT(raft_restore(raft_slice_of(backup, len), &alone, &recovery), RAFT_ERR_DECODE);
}

static void errors(void) {
  char detail[64];
  raft_node *node = make(false, false);
  for (int i = 0; i < 10; i++) {
    EXPECT(raft_step(node, text("garbage")), RAFT_ERR_DECODE);
    EXPECT(raft_node_status_json(node, detail, 1, NULL), RAFT_ERR_TOO_LARGE);
    OK(raft_node_last_error(node, detail, sizeof detail, NULL));
  }
  raft_node_free(node);
}

int main(void) {
  static const struct {
    const char *name;
    void (*run)(void);
  } cases[] = {
      {"nodes", nodes},
      {"views", views},
      {"acknowledged views", acknowledged_views},
      {"payloads", payloads},
      {"memberships", memberships},
      {"messages and snapshots", messages_and_snapshots},
      {"snapshots of a storage", snapshots_of_a_storage},
      {"lent snapshots", lent_snapshots},
      {"memory storages", memory_storages},
      {"observers", observers},
      {"recoveries", recoveries},
      {"errors", errors},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    EXPECT(raft_tick(NULL), RAFT_ERR_INVALID_ARGUMENT);  // the thread's last error is a block of its own
    cases[i].run();                                      // once for what is kept for good
    EXPECT(raft_tick(NULL), RAFT_ERR_INVALID_ARGUMENT);
    const long long before = blocks;
    cases[i].run();
    EXPECT(raft_tick(NULL), RAFT_ERR_INVALID_ARGUMENT);
    if (blocks != before || lent != 0) {
      fprintf(stderr, "%s: %lld blocks left, %zu lent\n", cases[i].name, blocks - before, lent);
      return 1;
    }
  }
  // The counter counts.
  const long long before = blocks;
  raft_node *node = make(false, false);
  CHECK(blocks > before);
  raft_node_free(node);
  return 0;
}

#else
int main(void) {
  puts("not glibc: not tried");
  return 0;
}
#endif
