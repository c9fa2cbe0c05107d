// SPDX-License-Identifier: Apache-2.0
//
// A node that was freed, and not long ago, is mostly recognised: an error instead of a crash. Nothing that
// a program may rely on; memory checkers call it what it is, a use after free.

#include "support.h"

int main(void) {
  static const uint64_t ids[] = {1};
  raft_conf_state members = {0};
  raft_config config;
  raft_node *node = NULL;
  char detail[64];
  members.voters = ids;
  members.voters_len = 1;
  OK(raft_config_init(&config, sizeof config, 1));
  OK(raft_node_new_in_memory(&config, &members, &node));
  raft_node_free(node);
  EXPECT(raft_tick(node), RAFT_ERR_INVALID_ARGUMENT);
  OK(raft_node_last_error(NULL, detail, sizeof detail, NULL));
  CHECK(strstr(detail, "freed") != NULL);
  raft_node_free(node);  // not freed twice
  CHECK(!raft_has_ready(node));
  return 0;
}
