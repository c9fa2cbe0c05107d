// SPDX-License-Identifier: Apache-2.0
//
// What was freed, and not long ago, is mostly recognised: an error instead of a crash. Nothing that a
// program may rely on; memory checkers call it what it is, a use after free.

#include "support.h"

// The thread's last error says that it was freed.
static void check_told(void) {
  char detail[128];
  OK(raft_node_last_error(NULL, detail, sizeof detail, NULL));
  CHECK(strstr(detail, "freed") != NULL);
}

static void nodes(void) {
  static const uint64_t ids[] = {1};
  raft_conf_state members = {0};
  raft_config config;
  raft_node *node = NULL;
  members.voters = ids;
  members.voters_len = 1;
  OK(raft_config_init(&config, sizeof config, 1));
  OK(raft_node_new_in_memory(&config, &members, &node));
  raft_node_free(node);
  EXPECT(raft_tick(node), RAFT_ERR_INVALID_ARGUMENT);
  check_told();
  raft_node_free(node);  // not freed twice
  CHECK(!raft_has_ready(node));
}

static void buffers(void) {
  static const uint64_t ids[] = {1};
  uint8_t bytes[64];
  size_t len = 0;
  raft_conf_state_buffer *members = NULL;
  raft_snapshot_buffer *snapshots = NULL;
  raft_conf_state shown = {0};
  raft_snapshot snapshot = {0};
  shown.voters = ids;
  shown.voters_len = 1;
  OK(raft_conf_state_encode(&shown, bytes, sizeof bytes, &len));
  OK(raft_conf_state_decode(raft_slice_of(bytes, len), &members));
  raft_conf_state_buffer_free(members);
  EXPECT(raft_conf_state_buffer_view(members, &shown), RAFT_ERR_INVALID_ARGUMENT);
  check_told();
  raft_conf_state_buffer_free(members);  // not freed twice
  OK(raft_snapshot_encode(&snapshot, bytes, sizeof bytes, &len));
  OK(raft_snapshot_decode(raft_slice_of(bytes, len), &snapshots));
  raft_snapshot_buffer_free(snapshots);
  EXPECT(raft_snapshot_buffer_view(snapshots, &snapshot), RAFT_ERR_INVALID_ARGUMENT);
  check_told();
  EXPECT(raft_snapshot_buffer_share(snapshots, &snapshots), RAFT_ERR_INVALID_ARGUMENT);
  raft_snapshot_buffer_free(snapshots);
}

static void memory_storages(void) {
  raft_memory_storage *storage = NULL;
  raft_storage table = {0};
  table.struct_size = sizeof table;
  OK(raft_memory_storage_new(NULL, &storage));
  raft_memory_storage_free(storage);
  EXPECT(raft_memory_storage_table(storage, &table), RAFT_ERR_INVALID_ARGUMENT);
  check_told();
  EXPECT(raft_memory_storage_compact(storage, 1), RAFT_ERR_INVALID_ARGUMENT);
  raft_memory_storage_free(storage);  // not freed twice
}

int main(void) {
  nodes();
  memory_storages();
  buffers();
  return 0;
}
