// SPDX-License-Identifier: Apache-2.0
//
// A user's first program: one node that leads itself.
#include <raftcore.h>
#include <stdio.h>

static raft_status send_nothing(void *context, const raft_message *messages, size_t len) {
  (void)context;
  (void)messages;
  return len == 0 ? RAFT_OK : RAFT_ERR_IO;
}

static raft_status apply(void *applied, const raft_entry *entries, size_t len) {
  if (len > 0) *(uint64_t *)applied = entries[len - 1].index;
  return RAFT_OK;
}

int main(void) {
  const uint64_t self = 1;
  uint64_t applied = 0;
  raft_conf_state members = {0};
  raft_config config;
  raft_host host = {0};
  raft_node *node = NULL;
  bool worked = true;
  members.voters = &self;
  members.voters_len = 1;
  host.struct_size = sizeof host;
  host.context = &applied;
  host.send = send_nothing;
  host.apply = apply;
  if (raft_abi_version() >> 16 != RAFT_ABI_MAJOR) return 1;
  if (raft_config_init(&config, sizeof config, self) != RAFT_OK) return 1;
  if (raft_node_new_in_memory(&config, &members, &node) != RAFT_OK) return 1;
  if (raft_campaign(node) != RAFT_OK) return 1;
  while (worked) {
    if (raft_drive(node, &host, &worked) != RAFT_OK) return 1;
  }
  raft_node_free(node);
  printf("raftcore %s applied %d\n", raft_version(), (int)applied);
  return 0;
}
