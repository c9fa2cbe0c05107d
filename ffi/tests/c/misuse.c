// SPDX-License-Identifier: Apache-2.0

#include "misuse.h"

raft_config good_config(void) {
  raft_config config;
  OK(raft_config_init(&config, sizeof config, 1));
  return config;
}

raft_node *single_with(raft_config config) {
  static const uint64_t ids[] = {1};
  raft_conf_state members = {0};
  raft_node *node = NULL;
  config.pre_vote = false;  // a campaign changes the hard state at once
  members.voters = ids;
  members.voters_len = 1;
  OK(raft_node_new_in_memory(&config, &members, &node));
  return node;
}

raft_node *single(void) { return single_with(good_config()); }

void lead(raft_node *node) {
  raft_ready_view *view = NULL;
  OK(raft_campaign(node));
  for (OK(raft_ready(node, &view)); view != NULL; OK(raft_ready(node, &view))) {
    OK(raft_advance(node, view));
  }
}

void check_detail(raft_node *node, const char *words) {
  char detail[256];
  size_t needed = 0;
  OK(raft_node_last_error(node, detail, sizeof detail, &needed));
  if (strstr(detail, words) == NULL || needed != strlen(detail) + 1) {
    fprintf(stderr, "\"%s\" is not in \"%s\"\n", words, detail);
    exit(1);
  }
}

raft_status send_nothing(void *context, const raft_message *messages, size_t len) {
  (void)context;
  (void)messages;
  (void)len;
  return RAFT_OK;
}

raft_status apply_nothing(void *context, const raft_entry *entries, size_t len) {
  (void)context;
  (void)entries;
  (void)len;
  return RAFT_OK;
}
