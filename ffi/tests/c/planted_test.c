// SPDX-License-Identifier: Apache-2.0
//
// Bugs on purpose, one of each class: a tool that finds nothing in the other tests must find these.
//   planted_test use_after_free|overflow|double_free|leak|undefined|race|race_in_rust

#include <limits.h>
#include <pthread.h>

#include "support.h"

static raft_node *make(void) {
  static const uint64_t ids[] = {1};
  raft_conf_state members = {0};
  raft_config config;
  raft_node *node = NULL;
  members.voters = ids;
  members.voters_len = 1;
  OK(raft_config_init(&config, sizeof config, 1));
  OK(raft_node_new_in_memory(&config, &members, &node));
  return node;
}

// Reads freed memory, in Rust.
static void use_after_free(void) {
  raft_node *node = make();
  raft_node_free(node);
  printf("%d\n", raft_tick(node));
}

// Rust reads beyond the end of a block of C's.
static void overflow(void) {
  raft_node *node = make();
  uint8_t *block = malloc(16);
  CHECK(block != NULL);
  // A message's type, again and again: it is read to its end.
  for (size_t i = 0; i < 16; i += 2) {
    block[i] = 8;
    block[i + 1] = 3;
  }
  printf("%d\n", raft_step(node, raft_slice_of(block, 17)));
  free(block);
  raft_node_free(node);
}

static void double_free(void) {
  raft_conf_state_buffer *members = NULL;
  raft_node *node = make();
  OK(raft_node_conf_state(node, &members));
  raft_conf_state_buffer_free(members);
  raft_conf_state_buffer_free(members);
  raft_node_free(node);
}

static void leak(void) {
  raft_conf_state_buffer *members = NULL;
  raft_node *node = make();
  OK(raft_node_conf_state(node, &members));
  printf("%d\n", members != NULL);
  members = NULL;
  raft_node_free(node);
}

static void undefined(void) {
  volatile int most = INT_MAX;
  most = most + 1;
  printf("%d\n", most);
}

static size_t counter;

static raft_status apply(void *context, const raft_entry *entries, size_t len) {
  (void)context;
  (void)entries;
  counter += len;  // the callbacks of two nodes, in two threads
  return RAFT_OK;
}

static raft_status send(void *context, const raft_message *messages, size_t len) {
  (void)context;
  (void)messages;
  (void)len;
  return RAFT_OK;
}

static void *drive_own_node(void *context) {
  raft_node *node = make();
  raft_host host = {0};
  bool worked = true;
  (void)context;
  host.struct_size = sizeof host;
  host.send = send;
  host.apply = apply;
  OK(raft_campaign(node));
  for (int i = 0; i < 1000; i++) {
    if (!worked) {
      OK(raft_propose(node, text("x"), NULL));
    }
    OK(raft_drive(node, &host, &worked));
  }
  raft_node_free(node);
  return NULL;
}

static void run_twice(void *(*run)(void *), void *context) {
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) {
    CHECK(pthread_create(&threads[i], NULL, run, context) == 0);
  }
  for (int i = 0; i < 2; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
  }
}

// Two threads share one struct of results, which the library writes.
static void *look(void *context) {
  static raft_node_status_info info;
  for (int i = 0; i < 1000; i++) {
    info.struct_size = sizeof info;
    OK(raft_node_status(context, &info));
  }
  return NULL;
}

int main(int argc, char **argv) {
  const char *bug = argc > 1 ? argv[1] : "";
  if (strcmp(bug, "use_after_free") == 0) {
    use_after_free();
  } else if (strcmp(bug, "overflow") == 0) {
    overflow();
  } else if (strcmp(bug, "double_free") == 0) {
    double_free();
  } else if (strcmp(bug, "leak") == 0) {
    leak();
  } else if (strcmp(bug, "undefined") == 0) {
    undefined();
  } else if (strcmp(bug, "race") == 0) {
    run_twice(drive_own_node, NULL);
  } else if (strcmp(bug, "race_in_rust") == 0) {
    raft_node *node = make();
    run_twice(look, node);
    raft_node_free(node);
  } else {
    fprintf(stderr, "usage: %s BUG\n", argv[0]);
    return 2;
  }
  return 0;
}
