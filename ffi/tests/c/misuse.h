// SPDX-License-Identifier: Apache-2.0
//
// What the tests of misuse share: nodes that are easily made, and a look at what the last error says.
#ifndef MISUSE_H
#define MISUSE_H

#include "disk.h"

raft_config good_config(void);
raft_node *single_with(raft_config config);  // the only node of a group, in memory
raft_node *single(void);
void lead(raft_node *node);  // makes a lone node the leader, and does the work

void check_detail(raft_node *node, const char *words);  // the last error's text contains them

#define INVALID(node, call, words)          \
  do {                                      \
    EXPECT(call, RAFT_ERR_INVALID_ARGUMENT); \
    check_detail(node, words);              \
  } while (0)

// Callbacks of a raft_host.
raft_status send_nothing(void *context, const raft_message *messages, size_t len);
raft_status apply_nothing(void *context, const raft_entry *entries, size_t len);

#endif
