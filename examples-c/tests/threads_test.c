// SPDX-License-Identifier: Apache-2.0
//
// Many threads on one node: proposals, ticks and looks from some, one cycle after the other from
// another. Nothing is lost, nothing happens twice, and a second driver is turned away.

#include <pthread.h>
#include <stdatomic.h>

#include "support.h"

enum { PROPOSERS = 4, EACH = 500 };

static raft_node *node;
static atomic_size_t proposed;
static size_t applied[PROPOSERS];  // the next number expected of each proposer
static atomic_size_t applied_all;
static atomic_bool is_driving;

static raft_status send(void *context, const raft_message *messages, size_t len) {
  (void)context;
  (void)messages;
  (void)len;
  return RAFT_OK;
}

static raft_status apply(void *context, const raft_entry *entries, size_t len) {
  (void)context;
  for (size_t i = 0; i < len; i++) {
    unsigned who = 0;
    unsigned number = 0;
    char words[32] = "";
    if (entries[i].data.len == 0) {
      continue;
    }
    CHECK(entries[i].data.len < sizeof words);
    memcpy(words, entries[i].data.data, entries[i].data.len);
    CHECK(sscanf(words, "%u %u", &who, &number) == 2 && who < PROPOSERS);
    CHECK(number == applied[who]);  // a proposer's entries keep their order
    applied[who]++;
    atomic_fetch_add(&applied_all, 1);
  }
  return RAFT_OK;
}

static raft_host host(void) {
  raft_host host = {0};
  host.struct_size = sizeof host;
  host.send = send;
  host.apply = apply;
  return host;
}

static void drive(void) {
  const raft_host table = host();
  bool worked = true;
  while (worked) {
    OK(raft_drive(node, &table, &worked));
  }
}

static void *propose(void *context) {
  const unsigned who = *(const unsigned *)context;
  for (unsigned number = 0; number < EACH; number++) {
    char words[32];
    raft_entry_id placed;
    snprintf(words, sizeof words, "%u %u", who, number);
    OK(raft_propose(node, text(words), &placed));
    CHECK(placed.index > 0);
    atomic_fetch_add(&proposed, 1);
    if (number % 50 == 0) {
      raft_node_status_info info = {0};
      info.struct_size = sizeof info;
      OK(raft_tick(node));
      OK(raft_node_status(node, &info));
      CHECK(info.role == RAFT_ROLE_LEADER);
    }
  }
  return NULL;
}

static void *drive_until_done(void *context) {
  (void)context;
  while (atomic_load(&applied_all) < PROPOSERS * EACH) {
    drive();
  }
  return NULL;
}

static void nothing_is_lost_between_threads(void) {
  pthread_t driver;
  pthread_t proposers[PROPOSERS];
  unsigned names[PROPOSERS];
  CHECK(pthread_create(&driver, NULL, drive_until_done, NULL) == 0);
  for (unsigned i = 0; i < PROPOSERS; i++) {
    names[i] = i;
    CHECK(pthread_create(&proposers[i], NULL, propose, &names[i]) == 0);
  }
  for (unsigned i = 0; i < PROPOSERS; i++) {
    CHECK(pthread_join(proposers[i], NULL) == 0);
  }
  CHECK(pthread_join(driver, NULL) == 0);
  CHECK(atomic_load(&applied_all) == PROPOSERS * EACH);
}

// A driver that stays in its apply callback until told otherwise.
static raft_status slow_apply(void *context, const raft_entry *entries, size_t len) {
  atomic_bool *go_on = context;
  (void)entries;
  (void)len;
  atomic_store(&is_driving, true);
  while (!atomic_load(go_on)) {
  }
  return RAFT_OK;
}

static void *drive_slowly(void *context) {
  raft_host slow = host();
  bool worked = true;
  slow.context = context;
  slow.apply = slow_apply;
  while (worked) {
    OK(raft_drive(node, &slow, &worked));
  }
  return NULL;
}

static void a_second_driver_is_turned_away(void) {
  pthread_t driver;
  atomic_bool go_on = false;
  bool worked = true;
  const raft_host table = host();
  OK(raft_propose(node, text("0 0"), NULL));
  CHECK(pthread_create(&driver, NULL, drive_slowly, &go_on) == 0);
  while (!atomic_load(&is_driving)) {
  }
  EXPECT(raft_drive(node, &table, &worked), RAFT_ERR_BUSY);
  OK(raft_tick(node));  // the node is not locked meanwhile
  atomic_store(&go_on, true);
  CHECK(pthread_join(driver, NULL) == 0);
}

// Reads a view while the main thread goes on with the node.
static void *read_view(void *context) {
  const raft_ready_view *view = context;
  static size_t sum;
  for (int round = 0; round < 100; round++) {
    for (size_t i = 0; i < view->entries_len; i++) {
      for (size_t at = 0; at < view->entries[i].data.len; at++) {
        sum += view->entries[i].data.data[at];
      }
    }
  }
  return &sum;
}

static void a_view_is_read_while_the_node_goes_on(void) {
  pthread_t reader;
  raft_ready_view *view = NULL;
  void *sum = NULL;
  OK(raft_propose(node, text("first"), NULL));
  OK(raft_ready(node, &view));
  CHECK(view->entries_len == 1);
  CHECK(pthread_create(&reader, NULL, read_view, view) == 0);
  for (int i = 0; i < 200; i++) {
    OK(raft_propose(node, text("more"), NULL));
  }
  CHECK(pthread_join(reader, &sum) == 0);
  CHECK(*(size_t *)sum > 0);
  OK(raft_advance(node, view));
}

int main(void) {
  static const uint64_t ids[] = {1};
  raft_conf_state members = {0};
  raft_config config;
  members.voters = ids;
  members.voters_len = 1;
  OK(raft_config_init(&config, sizeof config, 1));
  OK(raft_node_new_in_memory(&config, &members, &node));
  OK(raft_campaign(node));
  drive();
  nothing_is_lost_between_threads();
  a_second_driver_is_turned_away();
  a_view_is_read_while_the_node_goes_on();
  raft_node_free(node);
  return 0;
}
