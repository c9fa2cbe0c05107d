// SPDX-License-Identifier: Apache-2.0
//
// What a node takes that is at rest, by an allocator that counts: a process may have to keep many thousands.
#include "disk.h"

#if defined(__GLIBC__)
enum { IDLE_BYTES = 640, LEADER_BYTES = 1600 };

// Bytes that were asked for and not freed, by this program and by libraftcore, each block with its size before it.
static long long live;
static size_t header = 16;

extern void *__libc_malloc(size_t size);
extern void __libc_free(void *block);

static void *counted(size_t size) {
  char *block = __libc_malloc(size + header);
  if (block == NULL) {
    return NULL;
  }
  memcpy(block, &size, sizeof size);
  live += (long long)size;
  return block + header;
}

static size_t size_of(const void *block) {
  size_t size = 0;
  memcpy(&size, (const char *)block - header, sizeof size);
  return size;
}

void *malloc(size_t size) { return counted(size); }
void *calloc(size_t count, size_t size) {
  void *block = counted(count * size);
  return block == NULL ? NULL : memset(block, 0, count * size);
}
void free(void *block) {
  if (block != NULL) {
    live -= (long long)size_of(block);
    __libc_free((char *)block - header);
  }
}
void *realloc(void *old, size_t size) {
  void *block = counted(size);
  if (block != NULL && old != NULL) {
    memcpy(block, old, size < size_of(old) ? size : size_of(old));
    free(old);
  }
  return block;
}
// Nothing here asks for more than the alignment that malloc gives.
void *aligned_alloc(size_t alignment, size_t size) {
  CHECK(alignment <= header);
  return counted(size);
}
int posix_memalign(void **out, size_t alignment, size_t size) {
  *out = aligned_alloc(alignment, size);
  return *out == NULL ? 12 : 0;
}

static const uint64_t IDS[] = {1, 2, 3};
static raft_memory_storage *storage;

static raft_status send(void *context, const raft_message *messages, size_t len) {
  (void)context;
  (void)messages;
  (void)len;
  return RAFT_OK;
}
static raft_status apply(void *context, const raft_entry *entries, size_t len) {
  (void)context;
  (void)entries;
  (void)len;
  return RAFT_OK;
}
static raft_status persist(void *context, const raft_persist *what) {
  (void)context;
  (void)what;  // never read again
  return RAFT_OK;
}

static void drive_by_callbacks(raft_node *node) {
  raft_host host = {0};
  bool worked = true;
  host.struct_size = sizeof host;
  host.send = send;
  host.apply = apply;
  host.persist = persist;
  while (worked) {
    OK(raft_drive(node, &host, &worked));
  }
}

static void drive_by_views(raft_node *node) {
  raft_ready_view *view = NULL;
  for (OK(raft_ready(node, &view)); view != NULL; OK(raft_ready(node, &view))) {
    OK(raft_advance(node, view));
  }
}

static void (*drive)(raft_node *node);

static raft_node *make(uint64_t id) {
  raft_config config;
  raft_storage table = {0};
  raft_node *node = NULL;
  table.struct_size = sizeof table;
  OK(raft_memory_storage_table(storage, &table));
  OK(raft_config_init(&config, sizeof config, id));
  config.pre_vote = false;
  OK(raft_node_new(&config, &table, &node));
  return node;
}

static void hear(raft_node *node, int32_t type, uint64_t from, uint64_t index, uint64_t commit) {
  raft_message_fields fields = {0};
  uint8_t bytes[128];
  size_t len = 0;
  fields.struct_size = sizeof fields;
  fields.type = type;
  fields.from = from;
  fields.to = raft_node_id(node);
  fields.term = 2;
  fields.index = index;
  fields.commit = commit;
  OK(raft_message_encode(&fields, bytes, sizeof bytes, &len));
  OK(raft_step(node, raft_slice_of(bytes, len)));
  drive(node);
}

static void tick(raft_node *node) {
  OK(raft_tick(node));
  drive(node);
}

static void make_leader(raft_node *node) {
  OK(raft_campaign(node));
  drive(node);
  for (uint64_t from = 2; from <= 3; from++) {
    hear(node, RAFT_MESSAGE_VOTE_REPLY, from, 0, 0);
  }
  for (uint64_t from = 2; from <= 3; from++) {
    hear(node, RAFT_MESSAGE_APPEND_REPLY, from, 2, 0);
  }
}

static void takes(const char *what, long long before, long long most) {
  const long long bytes = live - before;
  printf("%s: %lld bytes\n", what, bytes);
  CHECK(bytes > 0 && bytes <= most);
}

static void follower_is_small(void) {
  const long long before = live;
  raft_node *node = make(2);
  takes("a new node", before, IDLE_BYTES);
  hear(node, RAFT_MESSAGE_HEARTBEAT, 1, 0, 1);
  tick(node);
  takes("a follower at rest", before, IDLE_BYTES);
  raft_node_free(node);
  CHECK(live == before);
}

static void leader_is_small(void) {
  const long long before = live;
  raft_node *node = make(1);
  make_leader(node);
  tick(node);
  takes("a leader at rest", before, LEADER_BYTES);
  raft_node_free(node);
  CHECK(live == before);
}

int main(void) {
  raft_conf_state members = {0};
  members.voters = IDS;
  members.voters_len = 3;
  OK(raft_memory_storage_new(&members, &storage));
  setvbuf(stdout, NULL, _IONBF, 0);  // it would allocate
  drive = drive_by_views;
  raft_node_free(make(1));  // what is made once
  follower_is_small();
  leader_is_small();
  drive = drive_by_callbacks;
  follower_is_small();
  leader_is_small();
  raft_memory_storage_free(storage);
  return 0;
}
#else
int main(void) { return 0; }
#endif
