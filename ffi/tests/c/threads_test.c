// SPDX-License-Identifier: Apache-2.0
//
// Many threads on one node: proposals, ticks and looks from some, one cycle after the other from
// another; many nodes that all threads drive; and nodes whose storage has a thread of its own. Nothing is
// lost, nothing happens twice, and a second driver is turned away.
//   threads_test [separate]   with `separate`: only threads that share nothing

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "support.h"

enum { PROPOSERS = 4, NODES = 6, WORKERS = 4 };

static unsigned EACH = 500;

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
    sched_yield();
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
    sched_yield();
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

// ---- Many nodes, and whoever comes drives them ---------------------------------------------------------

static raft_node *nodes[NODES];
static atomic_size_t applied_of[NODES];
static atomic_size_t heard;

static raft_status count_applied(void *context, const raft_entry *entries, size_t len) {
  for (size_t i = 0; i < len; i++) {
    atomic_fetch_add((atomic_size_t *)context, entries[i].data.len > 0);
  }
  return RAFT_OK;
}

static void hear(void *context, const char *json, size_t len) {
  (void)context;
  CHECK(len > 0 && json[0] == '{');
  atomic_fetch_add(&heard, 1);
}

// Callbacks of each node come from all threads, one after the other.
static void *work_everywhere(void *context) {
  (void)context;
  for (unsigned round = 0; round < EACH / 5; round++) {
    for (size_t i = 0; i < NODES; i++) {
      raft_host table = host();
      raft_soft_state state = {0};
      table.context = &applied_of[i];
      table.apply = count_applied;
      OK(raft_propose(nodes[i], text("word"), NULL));
      OK(raft_tick_n(nodes[i], 2));
      OK(raft_node_soft_state(nodes[i], &state));
      const raft_status status = raft_drive(nodes[i], &table, NULL);
      CHECK(status == RAFT_OK || status == RAFT_ERR_BUSY);
    }
  }
  return NULL;
}

static void many_threads_share_many_nodes(raft_config config, raft_conf_state members) {
  pthread_t workers[WORKERS];
  raft_observer observer = {0};
  observer.struct_size = sizeof observer;
  observer.trace = hear;
  for (size_t i = 0; i < NODES; i++) {
    OK(raft_node_new_in_memory(&config, &members, &nodes[i]));
    OK(raft_node_set_observer(nodes[i], &observer));
    OK(raft_campaign(nodes[i]));
    while (raft_has_ready(nodes[i])) {
      const raft_host table = host();
      OK(raft_drive(nodes[i], &table, NULL));
    }
  }
  for (size_t i = 0; i < WORKERS; i++) {
    CHECK(pthread_create(&workers[i], NULL, work_everywhere, NULL) == 0);
  }
  for (size_t i = 0; i < WORKERS; i++) {
    CHECK(pthread_join(workers[i], NULL) == 0);
  }
  for (size_t i = 0; i < NODES; i++) {
    raft_host table = host();
    table.context = &applied_of[i];
    table.apply = count_applied;
    while (raft_has_ready(nodes[i])) {
      OK(raft_drive(nodes[i], &table, NULL));
    }
    CHECK(atomic_load(&applied_of[i]) == WORKERS * (EACH / 5));
    raft_node_free(nodes[i]);
  }
  CHECK(atomic_load(&heard) > 0);
}

// ---- Asynchronous writes: a thread that stores, a thread that applies --------------------------------------

typedef struct Queue {
  pthread_mutex_t lock;
  raft_ready_view *views[64];
  size_t first;
  size_t last;
} Queue;

static void queue_push(Queue *queue, raft_ready_view *view) {
  pthread_mutex_lock(&queue->lock);
  CHECK(queue->last - queue->first < 64);
  queue->views[queue->last++ % 64] = view;
  pthread_mutex_unlock(&queue->lock);
}

static raft_ready_view *queue_pop(Queue *queue) {
  pthread_mutex_lock(&queue->lock);
  raft_ready_view *view = queue->first < queue->last ? queue->views[queue->first++ % 64] : NULL;
  pthread_mutex_unlock(&queue->lock);
  if (view == NULL) {
    sched_yield();
  }
  return view;
}

static Queue to_store = {PTHREAD_MUTEX_INITIALIZER, {NULL}, 0, 0};
static Queue to_apply = {PTHREAD_MUTEX_INITIALIZER, {NULL}, 0, 0};
static atomic_bool stop;
static atomic_size_t applied_late;

static void *store_views(void *context) {
  while (!atomic_load(&stop)) {
    raft_ready_view *view = queue_pop(&to_store);
    if (view != NULL) {
      OK(raft_acknowledge(context, view->storage_acks, view->storage_acks_len));
      queue_push(&to_apply, view);
    }
  }
  return NULL;
}

static void *apply_views(void *context) {
  while (!atomic_load(&stop)) {
    raft_ready_view *view = queue_pop(&to_apply);
    if (view != NULL) {
      for (size_t i = 0; i < view->committed_entries_len; i++) {
        atomic_fetch_add(&applied_late, view->committed_entries[i].data.len > 0);
      }
      OK(raft_acknowledge(context, view->apply_ack, view->apply_ack != NULL));
      raft_ready_free(view);
    }
  }
  return NULL;
}

static void storing_and_applying_have_threads_of_their_own(raft_config config, raft_conf_state members) {
  pthread_t storer;
  pthread_t applier;
  config.async_storage_writes = true;
  OK(raft_node_new_in_memory(&config, &members, &node));
  CHECK(pthread_create(&storer, NULL, store_views, node) == 0);
  CHECK(pthread_create(&applier, NULL, apply_views, node) == 0);
  OK(raft_campaign(node));
  for (unsigned proposed_late = 0, waited = 0; atomic_load(&applied_late) < EACH / 5; waited++) {
    raft_ready_view *view = NULL;
    CHECK(waited < UINT32_MAX);
    if (proposed_late < EACH / 5 && raft_propose(node, text("late"), NULL) == RAFT_OK) {
      proposed_late++;
    }
    pthread_mutex_lock(&to_store.lock);
    const bool has_room = to_store.last - to_store.first < 16;
    pthread_mutex_unlock(&to_store.lock);
    pthread_mutex_lock(&to_apply.lock);
    const bool has_more_room = to_apply.last - to_apply.first < 32;
    pthread_mutex_unlock(&to_apply.lock);
    if (has_room && has_more_room) {
      OK(raft_ready(node, &view));
    }
    if (view != NULL) {
      queue_push(&to_store, view);
    } else {
      sched_yield();
    }
  }
  atomic_store(&stop, true);
  CHECK(pthread_join(storer, NULL) == 0);
  CHECK(pthread_join(applier, NULL) == 0);
  for (raft_ready_view *view = queue_pop(&to_store); view != NULL; view = queue_pop(&to_store)) {
    raft_ready_free(view);
  }
  for (raft_ready_view *view = queue_pop(&to_apply); view != NULL; view = queue_pop(&to_apply)) {
    raft_ready_free(view);
  }
  raft_node_free(node);
}

// ---- Each thread with a node of its own ------------------------------------------------------------------

static void *work_alone(void *context) {
  raft_node *own = NULL;
  atomic_size_t count = 0;
  raft_host table = host();
  table.context = &count;
  table.apply = count_applied;
  OK(raft_node_new_in_memory(((const raft_config **)context)[0],
                             ((const raft_conf_state **)context)[1], &own));
  OK(raft_campaign(own));
  for (unsigned round = 0; round < EACH; round++) {
    while (raft_has_ready(own)) {
      OK(raft_drive(own, &table, NULL));
    }
    OK(raft_propose(own, text("word"), NULL));
    EXPECT(raft_step(own, text("garbage")), RAFT_ERR_DECODE);
  }
  raft_node_free(own);
  return NULL;
}

static void threads_do_not_meet(const raft_config *config, const raft_conf_state *members) {
  pthread_t workers[WORKERS];
  const void *arguments[2] = {config, members};
  for (size_t i = 0; i < WORKERS; i++) {
    CHECK(pthread_create(&workers[i], NULL, work_alone, (void *)arguments) == 0);
  }
  for (size_t i = 0; i < WORKERS; i++) {
    CHECK(pthread_join(workers[i], NULL) == 0);
  }
}

int main(int argc, char **argv) {
  static const uint64_t ids[] = {1};
  raft_conf_state members = {0};
  raft_config config;
  members.voters = ids;
  members.voters_len = 1;
  OK(raft_config_init(&config, sizeof config, 1));
  if (argc > 1 && strcmp(argv[1], "separate") == 0) {
    EACH = 50;  // where each call is slow
    threads_do_not_meet(&config, &members);
    return 0;
  }
  threads_do_not_meet(&config, &members);
  OK(raft_node_new_in_memory(&config, &members, &node));
  OK(raft_campaign(node));
  drive();
  nothing_is_lost_between_threads();
  a_second_driver_is_turned_away();
  a_view_is_read_while_the_node_goes_on();
  raft_node_free(node);
  many_threads_share_many_nodes(config, members);
  storing_and_applying_have_threads_of_their_own(config, members);
  return 0;
}
