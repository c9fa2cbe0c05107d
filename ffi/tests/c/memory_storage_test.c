// SPDX-License-Identifier: Apache-2.0
//
// A log of the library's that the host holds: raft_storage_check finds nothing, and a node that
// raft_drive drives can be made anew from it.

#include "support.h"

static raft_memory_storage *new_member(void) {
  static const uint64_t ids[] = {1};
  raft_conf_state members = {0};
  raft_memory_storage *storage = NULL;
  members.voters = ids;
  members.voters_len = 1;
  OK(raft_memory_storage_new(&members, &storage));
  return storage;
}

static raft_storage table_of(raft_memory_storage *storage) {
  raft_storage table = {0};
  table.struct_size = sizeof table;
  OK(raft_memory_storage_table(storage, &table));
  return table;
}

static raft_memory_storage_info info_of(raft_memory_storage *storage) {
  raft_memory_storage_info info = {0};
  info.struct_size = sizeof info;
  OK(raft_memory_storage_status(storage, &info));
  return info;
}

// ---- The contract --------------------------------------------------------------------------------------

typedef struct Subject {
  raft_memory_storage *storage;
  raft_storage table;
  int rules;
} Subject;

static void subject_free(Subject *self) {
  if (self->table.release != NULL) {
    self->table.release(self->table.context);
  }
  raft_memory_storage_free(self->storage);
}

static raft_status reset(void *context) {
  Subject *self = context;
  subject_free(self);
  self->storage = NULL;
  OK(raft_memory_storage_new(NULL, &self->storage));
  self->table = table_of(self->storage);
  return RAFT_OK;
}

static raft_status persist_checked(void *context, const raft_persist *what) {
  const Subject *self = context;
  return raft_memory_storage_persist(self->storage, what);
}

static raft_status compact(void *context, uint64_t index) {
  const Subject *self = context;
  if (info_of(self->storage).snapshot_index < index) {
    OK(raft_memory_storage_create_snapshot(self->storage, index, NULL, text("state")));
  }
  return raft_memory_storage_compact(self->storage, index);
}

static void report(void *context, const raft_storage_finding *finding) {
  Subject *self = context;
  self->rules++;
  if (finding->outcome == RAFT_RULE_BROKEN) {
    fprintf(stderr, "%s: expected %s, got %s\n", finding->rule, finding->expected, finding->got);
  }
}

static void the_contract_is_kept(void) {
  Subject self = {0};
  raft_checked_storage checked = {0};
  OK(reset(&self));
  checked.struct_size = sizeof checked;
  checked.context = &self;
  checked.storage = &self.table;
  checked.reset = reset;
  checked.persist = persist_checked;
  checked.compact = compact;
  OK(raft_storage_check(&checked, report, &self));
  CHECK(self.rules > 20);
  subject_free(&self);
}

// ---- A node --------------------------------------------------------------------------------------------

typedef struct Server {
  raft_memory_storage *storage;
  raft_node *node;
  char applied[64];
} Server;

static raft_status persist(void *context, const raft_persist *what) {
  const Server *self = context;
  return raft_memory_storage_persist(self->storage, what);
}

static raft_status send(void *context, const raft_message *messages, size_t len) {
  (void)context;
  (void)messages;
  (void)len;
  return RAFT_OK;
}

static raft_status apply(void *context, const raft_entry *entries, size_t len) {
  Server *self = context;
  for (size_t i = 0; i < len; i++) {
    strncat(self->applied, (const char *)entries[i].data.data, entries[i].data.len);
  }
  return RAFT_OK;
}

static raft_status apply_conf_change(void *context, const raft_entry *entry, const raft_conf_state *state,
                                     raft_slice encoded) {
  const Server *self = context;
  (void)entry;
  (void)encoded;
  return raft_memory_storage_set_conf_state(self->storage, state);
}

static void start(Server *self, uint64_t applied) {
  const raft_storage table = table_of(self->storage);
  raft_config config;
  OK(raft_config_init(&config, sizeof config, 1));
  config.applied = applied;
  self->applied[0] = '\0';
  OK(raft_node_new(&config, &table, &self->node));
}

static void settle(Server *self) {
  raft_host host = {0};
  bool worked = true;
  host.struct_size = sizeof host;
  host.context = self;
  host.persist = persist;
  host.send = send;
  host.apply = apply;
  host.apply_conf_change = apply_conf_change;
  while (worked) {
    OK(raft_drive(self->node, &host, &worked));
  }
}

static size_t learners_of(raft_memory_storage *storage) {
  raft_conf_state_buffer *buffer = NULL;
  raft_conf_state members;
  OK(raft_memory_storage_conf_state(storage, &buffer));
  OK(raft_conf_state_buffer_view(buffer, &members));
  const size_t learners = members.learners_len;
  raft_conf_state_buffer_free(buffer);
  return learners;
}

static void a_node_goes_on_where_it_stopped(void) {
  const raft_conf_change_op learner = {RAFT_CONF_ADD_LEARNER, 2};
  Server self = {0};
  self.storage = new_member();
  start(&self, 0);
  OK(raft_campaign(self.node));
  settle(&self);
  OK(raft_propose(self.node, text("a"), NULL));
  OK(raft_propose(self.node, text("b"), NULL));
  OK(raft_propose_conf_change(self.node, &learner, 1, RAFT_TRANSITION_AUTO, text(""), NULL));
  settle(&self);
  CHECK(strcmp(self.applied, "ab") == 0);
  raft_node_free(self.node);
  CHECK(learners_of(self.storage) == 1);
  const raft_memory_storage_info info = info_of(self.storage);
  CHECK(info.first_index == 2 && info.last_index == 5 && info.hard_state.vote == 1);
  // A state machine that was lost is made anew from the log; one that was kept goes on.
  OK(raft_memory_storage_create_snapshot(self.storage, 3, NULL, text("a")));
  OK(raft_memory_storage_compact(self.storage, 3));
  start(&self, 0);
  settle(&self);
  CHECK(strcmp(self.applied, "b") == 0);
  raft_node_free(self.node);
  start(&self, 5);
  settle(&self);
  CHECK(strcmp(self.applied, "") == 0);
  // The handle may go first.
  raft_memory_storage_free(self.storage);
  OK(raft_tick(self.node));
  raft_node_free(self.node);
}

static void a_ready_view_is_stored_at_once(void) {
  Server self = {0};
  raft_ready_view *view = NULL;
  self.storage = new_member();
  start(&self, 0);
  OK(raft_campaign(self.node));
  for (OK(raft_ready(self.node, &view)); view != NULL; OK(raft_ready(self.node, &view))) {
    OK(raft_memory_storage_store(self.storage, view));
    OK(raft_advance(self.node, view));
  }
  CHECK(info_of(self.storage).last_index == 2 && info_of(self.storage).hard_state.commit == 2);
  raft_node_free(self.node);
  raft_memory_storage_free(self.storage);
}

// The same numbers are in the tests of Rust, Python and Go.
static void without_a_seed_timeouts_follow_from_node_and_group(void) {
  static const uint64_t groups[4] = {0, 1, 77, UINT64_MAX};
  static const uint32_t expected[4][3] = {{11, 15, 19}, {14, 12, 13}, {10, 13, 13}, {15, 18, 11}};
  static const uint64_t ids[3] = {1, 2, 3};
  const raft_conf_state members = {.voters = ids, .voters_len = 3};
  for (size_t group = 0; group < 4; group++) {
    for (size_t id = 0; id < 3; id++) {
      raft_config config;
      raft_soft_state state = {0, RAFT_ROLE_FOLLOWER};
      raft_node *node = NULL;
      uint32_t ticks = 0;
      OK(raft_config_init(&config, sizeof config, ids[id]));
      config.group_id = groups[group];
      OK(raft_node_new_in_memory(&config, &members, &node));
      while (state.role == RAFT_ROLE_FOLLOWER && ticks < 100) {
        OK(raft_tick(node));
        ticks++;
        OK(raft_node_soft_state(node, &state));
      }
      CHECK(ticks == expected[group][id]);
      raft_node_free(node);
    }
  }
}

int main(void) {
  the_contract_is_kept();
  a_node_goes_on_where_it_stopped();
  a_ready_view_is_stored_at_once();
  without_a_seed_timeouts_follow_from_node_and_group();
  return 0;
}
