// SPDX-License-Identifier: Apache-2.0
//
// A child made by fork() gets an error from every function of a node or memory storage that it has inherited,
// and never waits: also if another thread was inside, whose locks nobody in the child will ever release. The
// parent's go on; and the child, or its own child, may have nodes of its own.
#define _DEFAULT_SOURCE

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "misuse.h"

// What the calls of fork_cases.h want.
typedef struct Fixture {
  raft_node *node;
  raft_memory_storage *memory;
  raft_ready_view *view;  // the node's, which the host has
  raft_storage table;     // of the memory storage
  raft_slice x;
  raft_entry entry;
  raft_conf_change_op op;
  raft_conf_change change;
  raft_conf_state state;
  raft_snapshot snapshot;
  raft_persist persist;
  raft_host host;
  raft_observer observer;
  raft_ack ack;
  uint64_t voter;
  bool is_forked;
  size_t released;  // how often the host was called back in a child
  // Results.
  raft_ready_view *other_view;
  raft_conf_state_buffer *members;
  raft_snapshot_buffer *snapshots;
  raft_storage storage;
  raft_node_status_info info;
  raft_memory_storage_info memory_info;
  raft_entry_id id;
  raft_config config;
  raft_hard_state hard_state;
  raft_soft_state soft_state;
  raft_status status;
  size_t len;
  bool worked;
} Fixture;

static void release(void *context) { ((Fixture *)context)->released++; }

#define FORKED(call) \
  EXPECT(call, RAFT_ERR_FORKED);
static void call_all(Fixture *f) {
#include "fork_cases.h"
}

static void release_node(void *context) {
  if (((Fixture *)context)->is_forked) {
    fputs("a release callback is called in a child\n", stderr);
    _exit(1);
  }
}

// ---- A node of which another thread is inside

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool is_inside, may_leave;

// Waits inside until it may leave: with the node locked, if it is called by an observer.
static void wait_inside(void) {
  pthread_mutex_lock(&gate);
  is_inside = true;
  pthread_cond_broadcast(&changed);
  while (!may_leave) {
    pthread_cond_wait(&changed, &gate);
  }
  pthread_mutex_unlock(&gate);
}

static void trace(void *context, const char *json, size_t len) {
  (void)context;
  (void)json;
  (void)len;
  wait_inside();
}

static void *propose(void *node) {
  OK(raft_propose(node, text("y"), NULL));
  return NULL;
}

// Has a thread enter the node and stay there.
static pthread_t enter(raft_node *node) {
  pthread_t thread;
  is_inside = may_leave = false;
  CHECK(pthread_create(&thread, NULL, propose, node) == 0);
  pthread_mutex_lock(&gate);
  while (!is_inside) {
    pthread_cond_wait(&changed, &gate);
  }
  pthread_mutex_unlock(&gate);
  return thread;
}

static void leave(pthread_t thread) {
  pthread_mutex_lock(&gate);
  may_leave = true;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&gate);
  CHECK(pthread_join(thread, NULL) == 0);
}

// ---- Children

// Runs `child` in a child, which must end well. A child that waits is killed by the alarm.
static void in_child(void (*child)(Fixture *f), Fixture *f) {
  int status = 0;
  const pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    alarm(60);
    f->is_forked = true;
    child(f);
    _exit(0);
  }
  CHECK(waitpid(pid, &status, 0) == pid);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void lead_alone(void) {
  raft_node *const own = single();
  raft_memory_storage *memory = NULL;
  lead(own);
  OK(raft_tick(own));
  OK(raft_memory_storage_new(NULL, &memory));
  EXPECT(raft_memory_storage_compact(memory, 0), RAFT_ERR_STORAGE);
  raft_memory_storage_free(memory);
  raft_node_free(own);
}

static void use_all(Fixture *f) {
  call_all(f);
  // A view goes nowhere, and takes nothing with it.
  raft_ready_free(f->view);
  raft_ready_free(f->view);
  check_detail(NULL, "inherited");
  lead_alone();
}

static void be_refused(Fixture *f) { EXPECT(raft_tick(f->node), RAFT_ERR_FORKED); }

// The child's own node is none of its child's.
static void have_a_child(Fixture *f) {
  raft_node *const inherited = f->node;
  be_refused(f);
  f->node = single();
  in_child(be_refused, f);
  f->node = inherited;
  in_child(be_refused, f);
}

static Fixture fixture(void) {
  Fixture f = {0};
  f.x = text("x");
  f.voter = 1;
  f.state.voters_len = 1;
  f.op.node = 2;
  f.entry.kind = RAFT_ENTRY_CONF_CHANGE_V2;
  f.change.struct_size = sizeof f.change;
  f.host.struct_size = sizeof f.host;
  f.host.send = send_nothing;
  f.host.apply = apply_nothing;
  f.observer.struct_size = sizeof f.observer;
  f.info.struct_size = sizeof f.info;
  f.memory_info.struct_size = sizeof f.memory_info;
  f.config.struct_size = sizeof f.config;
  f.storage.struct_size = f.table.struct_size = sizeof f.table;
  return f;
}

// Makes the node leader, and takes a view with an entry to store.
static void take_work(Fixture *f) {
  OK(raft_campaign(f->node));
  for (OK(raft_ready(f->node, &f->view)); f->view != NULL; OK(raft_ready(f->node, &f->view))) {
    OK(raft_memory_storage_store(f->memory, f->view));
    OK(raft_advance(f->node, f->view));
  }
  OK(raft_propose(f->node, f->x, NULL));
  OK(raft_ready(f->node, &f->view));
  CHECK(f->view != NULL);
}

int main(void) {
  Fixture f = fixture();
  f.state.voters = &f.voter;  // it may have been copied
  raft_observer observer = f.observer;
  raft_storage table = f.table;
  raft_config config = good_config();
  config.pre_vote = false;
  OK(raft_memory_storage_new(&f.state, &f.memory));
  OK(raft_memory_storage_table(f.memory, &f.table));
  OK(raft_memory_storage_table(f.memory, &table));
  OK(raft_node_new(&config, &table, &f.node));

  // Nobody else is inside.
  take_work(&f);
  in_child(use_all, &f);
  in_child(have_a_child, &f);

  // Another thread is inside, with the node locked.
  observer.trace = trace;
  observer.context = &f;
  observer.release = release_node;
  OK(raft_memory_storage_store(f.memory, f.view));
  OK(raft_advance(f.node, f.view));
  OK(raft_node_set_observer(f.node, &observer));
  f.view = NULL;
  const pthread_t thread = enter(f.node);
  in_child(use_all, &f);
  leave(thread);

  // The parent's node goes on.
  OK(raft_node_check_invariants(f.node));
  raft_node_free(f.node);
  f.table.release(f.table.context);
  raft_memory_storage_free(f.memory);
  CHECK(f.released == 0);
  puts("inherited nodes are refused");
  return 0;
}
