// SPDX-License-Identifier: Apache-2.0
//
// What an operator does with a group: members come and go, a quorum is lost, a backup is restored. All in
// one process, with logs in memory, and checked: docs/operations.md shows the functions in the middle.

#include <raftcore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- A small host ---------------------------------------------------------------------------------

typedef struct Server {
  uint64_t group;  // of the handshake: servers of other groups are not heard
  raft_memory_storage *storage;
  raft_node *node;   // NULL: the process is not running
  uint64_t applied;  // the state below is the one after this entry
  char state[4096];  // a line for each entry
} Server;

#define SERVERS 16
static Server servers[SERVERS];  // by id

static void fail(const char *what) {
  fprintf(stderr, "failed: %s\n", what);
  exit(1);
}

static void must(raft_status status) {
  char detail[256] = "";
  if (status == RAFT_OK) return;
  if (raft_node_last_error(NULL, detail, sizeof detail, NULL) == RAFT_OK) fprintf(stderr, "%s\n", detail);
  fail(raft_status_message(status));
}

static raft_status persist(void *context, const raft_persist *what) {
  return raft_memory_storage_persist(((Server *)context)->storage, what);
}

static raft_status deliver(void *context, const raft_message *messages, size_t len) {
  Server *from = context;
  for (size_t i = 0; i < len; i++) {
    Server *to = &servers[messages[i].to];
    const bool heard = to->node != NULL && to->group == from->group;
    const raft_status status = heard ? raft_step(to->node, messages[i].bytes) : RAFT_OK;
    if (status == RAFT_ERR_COMMIT_BEYOND_LOG || status == RAFT_ERR_COMMITTED_CONFLICT) must(status);
    if (messages[i].type == RAFT_MESSAGE_SNAPSHOT) {
      must(raft_report_snapshot(from->node, messages[i].to, heard && status == RAFT_OK));
    }
  }
  return RAFT_OK;
}

static raft_status apply(void *context, const raft_entry *entries, size_t len) {
  Server *server = context;
  for (size_t i = 0; i < len; i++) {
    server->applied = entries[i].index;
    if (entries[i].data.len == 0) continue;  // the start of a term
    strncat(server->state, (const char *)entries[i].data.data, entries[i].data.len);
    strcat(server->state, "\n");
  }
  return RAFT_OK;
}

static raft_status apply_snapshot(void *context, const raft_snapshot *snapshot) {
  Server *server = context;
  memcpy(server->state, snapshot->data.data, snapshot->data.len);
  server->state[snapshot->data.len] = '\0';
  server->applied = snapshot->index;
  return RAFT_OK;
}

// Who joins must find itself in the snapshot that it is sent: there is one after each change.
static raft_status apply_conf_change(void *context, const raft_entry *entry, const raft_conf_state *state,
                                     raft_slice encoded) {
  Server *server = context;
  (void)encoded;
  server->applied = entry->index;
  must(raft_memory_storage_set_conf_state(server->storage, state));
  return raft_memory_storage_create_snapshot(server->storage, entry->index, state,
                                             raft_slice_of(server->state, strlen(server->state)));
}

// From what its storage holds: nothing, for one that is to join.
static Server *start(uint64_t id, uint64_t group) {
  Server *server = &servers[id];
  raft_config config;
  raft_storage table = {.struct_size = sizeof table};
  server->group = group;
  if (server->storage == NULL) must(raft_memory_storage_new(NULL, &server->storage));
  must(raft_config_init(&config, sizeof config, id));
  config.applied = server->applied;
  config.group_id = group;
  must(raft_memory_storage_table(server->storage, &table));
  must(raft_node_new(&config, &table, &server->node));
  return server;
}

static void stop(uint64_t id) {
  raft_node_free(servers[id].node);
  servers[id].node = NULL;
}

static void lose_machine(uint64_t id) {
  stop(id);
  raft_memory_storage_free(servers[id].storage);
  memset(&servers[id], 0, sizeof servers[id]);
}

// A tick for all, and whatever follows from it.
static void turn(void) {
  static int turns;
  if (++turns > 100000) fail("it does not come to an end");
  for (int id = 1; id < SERVERS; id++) {
    if (servers[id].node != NULL) must(raft_tick(servers[id].node));
  }
  for (bool worked = true; worked;) {
    worked = false;
    for (int id = 1; id < SERVERS; id++) {
      const raft_host host = {.struct_size = sizeof host,
                              .context = &servers[id],
                              .persist = persist,
                              .send = deliver,
                              .apply = apply,
                              .apply_snapshot = apply_snapshot,
                              .apply_conf_change = apply_conf_change};
      bool more = servers[id].node != NULL;
      while (more) {
        must(raft_drive(servers[id].node, &host, &more));
        worked = worked || more;
      }
    }
  }
}

static Server *leader_of(uint64_t group) {
  for (;;) {
    for (int id = 1; id < SERVERS; id++) {
      raft_soft_state state = {.role = RAFT_ROLE_FOLLOWER};
      if (servers[id].node == NULL || servers[id].group != group) continue;
      must(raft_node_soft_state(servers[id].node, &state));
      if (state.role == RAFT_ROLE_LEADER) return &servers[id];
    }
    turn();
  }
}

static void write_line(uint64_t group, const char *line) {
  raft_entry_id placed;
  while (raft_propose(leader_of(group)->node, raft_slice_of(line, strlen(line)), &placed) != RAFT_OK) turn();
  while (leader_of(group)->applied < placed.index) turn();
}

static void check_state(uint64_t id, const char *expected) {
  for (int i = 0; i < 100 && strcmp(servers[id].state, expected) != 0; i++) turn();
  if (strcmp(servers[id].state, expected) != 0) fail(servers[id].state);
}

// ---- Members ----------------------------------------------------------------------------------------

static bool is_joint(raft_node *node) {
  raft_conf_state_buffer *members = NULL;
  raft_conf_state view;
  must(raft_node_conf_state(node, &members));
  must(raft_conf_state_buffer_view(members, &view));
  const bool joint = view.voters_outgoing_len > 0;
  raft_conf_state_buffer_free(members);
  return joint;
}

// Returns when the change is in force on the leader.
static void change(uint64_t group, const raft_conf_change_op *ops, size_t len) {
  const raft_slice no_context = {0};
  raft_entry_id placed;
  for (;;) {
    raft_node *leader = leader_of(group)->node;
    const raft_status status =
        raft_propose_conf_change(leader, ops, len, RAFT_TRANSITION_AUTO, no_context, &placed);
    if (status == RAFT_OK) break;
    // The change before is not done yet, or leadership is moving. A program tells these from a change that
    // is impossible by raft_node_last_error, and gives up.
    if (status != RAFT_ERR_CONF_CHANGE && status != RAFT_ERR_PROPOSAL_DROPPED) must(status);
    turn();
  }
  while (leader_of(group)->applied < placed.index || is_joint(leader_of(group)->node)) turn();
}

// A voter that lacks the log can hold up a quorum: it becomes one when it has nearly all of it.
static bool is_caught_up(raft_node *leader, uint64_t id) {
  raft_node_status_info info = {.struct_size = sizeof info};
  raft_progress members[SERVERS];
  size_t len = 0;
  must(raft_node_status(leader, &info));
  must(raft_node_progress(leader, members, SERVERS, &len));
  for (size_t i = 0; i < len; i++) {
    const bool runs = members[i].state == RAFT_PROGRESS_REPLICATE;
    if (members[i].id == id) return runs && members[i].matched + 100 >= info.last_index;
  }
  return false;
}

// [add]
// `id` was never used before in this group, and its storage is empty.
static void add(uint64_t group, uint64_t id) {
  const raft_conf_change_op as_learner = {RAFT_CONF_ADD_LEARNER, id};
  const raft_conf_change_op as_voter = {RAFT_CONF_ADD_VOTER, id};
  change(group, &as_learner, 1);
  start(id, group);
  while (!is_caught_up(leader_of(group)->node, id)) turn();
  change(group, &as_voter, 1);
}
// [end]

// [remove]
// A leader that is to go hands its leadership over first: nobody waits for an election then.
static void remove_member(uint64_t group, uint64_t id, uint64_t successor) {
  const raft_conf_change_op gone = {RAFT_CONF_REMOVE, id};
  while (leader_of(group) == &servers[id]) {
    const raft_status status = raft_transfer_leader(servers[id].node, successor);
    if (status != RAFT_OK && status != RAFT_ERR_NO_LEADER) must(status);
    turn();
  }
  change(group, &gone, 1);
  lose_machine(id);
}
// [end]

// [replace]
// The dead one goes in the very change that makes its successor a voter: at no time does the group have
// fewer live voters, or one more dead, than before.
static void replace(uint64_t group, uint64_t dead, uint64_t fresh) {
  const raft_conf_change_op as_learner = {RAFT_CONF_ADD_LEARNER, fresh};
  const raft_conf_change_op both[] = {{RAFT_CONF_ADD_VOTER, fresh}, {RAFT_CONF_REMOVE, dead}};
  change(group, &as_learner, 1);
  start(fresh, group);
  while (!is_caught_up(leader_of(group)->node, fresh)) turn();
  change(group, both, 2);
}
// [end]

// ---- Disasters --------------------------------------------------------------------------------------

// [position]
// On each machine that is left, with the server stopped.
static raft_log_position position_of(uint64_t id) {
  raft_log_position position;
  raft_storage table = {.struct_size = sizeof table};
  must(raft_memory_storage_table(servers[id].storage, &table));
  must(raft_recovery_position(&table, id, &position));
  table.release(table.context);
  return position;
}
// [end]

// [recover]
// On the machine whose position is the best, with the positions of all others that are left.
static raft_status recover(uint64_t id, const raft_log_position *others, size_t len) {
  const raft_conf_state alone = {.voters = &id, .voters_len = 1};
  raft_recovery_request request = {.struct_size = sizeof request, .node = id, .members = &alone};
  raft_storage table = {.struct_size = sizeof table};
  raft_recovery *recovery = NULL;
  raft_recovery_plan plan = {.struct_size = sizeof plan};
  request.applied = servers[id].applied;
  request.survivors = others;
  request.survivors_len = len;
  must(raft_memory_storage_table(servers[id].storage, &table));
  const raft_status status = raft_recover(&table, &request, &recovery);
  table.release(table.context);
  if (status != RAFT_OK) return status;  // raft_node_last_error(NULL, ..) says why
  must(raft_recovery_view(recovery, &plan));
  printf("keeps the log up to %llu; %llu entries were not known to be committed\n",
         (unsigned long long)plan.last.index, (unsigned long long)(plan.last.index - plan.committed));
  if (plan.may_miss_committed) printf("writes that only the lost servers had may be missing\n");
  must(persist(&servers[id], plan.persist));  // as the server itself stores
  raft_recovery_free(recovery);
  return RAFT_OK;
}
// [end]

// [backup]
// The caller frees it. The host's state and the membership belong to the same entry.
static raft_slice back_up(uint64_t id) {
  raft_snapshot_buffer *latest = NULL;
  raft_snapshot snapshot;
  size_t len = 0;
  must(raft_memory_storage_snapshot(servers[id].storage, &latest));
  must(raft_snapshot_buffer_view(latest, &snapshot));
  if (raft_backup_encode(&snapshot, NULL, 0, &len) != RAFT_ERR_TOO_LARGE) fail("no size");
  uint8_t *bytes = malloc(len);
  if (bytes == NULL) fail("no memory");
  must(raft_backup_encode(&snapshot, bytes, len, NULL));
  raft_snapshot_buffer_free(latest);
  return raft_slice_of(bytes, len);
}
// [end]

// [restore]
// On each first member of the new group, whose storage is empty.
static void restore(uint64_t id, uint64_t group, raft_slice backup, const raft_conf_state *members) {
  raft_recovery *recovery = NULL;
  raft_recovery_plan plan = {.struct_size = sizeof plan};
  must(raft_restore(backup, members, &recovery));
  must(raft_recovery_view(recovery, &plan));
  must(raft_memory_storage_new(NULL, &servers[id].storage));
  must(persist(&servers[id], plan.persist));
  must(apply_snapshot(&servers[id], plan.persist->snapshot));
  raft_recovery_free(recovery);
  start(id, group);
}
// [end]

// ---- The drills -------------------------------------------------------------------------------------

static void found(uint64_t group, const uint64_t *ids, size_t len) {
  const raft_conf_state members = {.voters = ids, .voters_len = len};
  for (size_t i = 0; i < len; i++) {
    must(raft_memory_storage_new(&members, &servers[ids[i]].storage));
    servers[ids[i]].applied = 1;  // the snapshot of the empty state
    start(ids[i], group);
  }
}

static void members_come_and_go(void) {
  static const uint64_t ids[] = {1, 2, 3};
  found(100, ids, 3);
  write_line(100, "one");
  add(100, 4);
  remove_member(100, 1, 2);
  lose_machine(3);
  replace(100, 3, 5);
  write_line(100, "two");
  for (uint64_t id = 2; id <= 5; id++) {
    if (id != 3) check_state(id, "one\ntwo\n");
  }
}

static void a_quorum_is_lost(void) {
  lose_machine(4);
  lose_machine(5);
  stop(2);
  const raft_log_position position = position_of(2);
  raft_log_position better = position;
  better.node = 4;
  better.last.index++;
  if (recover(2, &better, 1) != RAFT_ERR_RECOVERY) fail("recovered from the wrong survivor");
  must(recover(2, NULL, 0));
  start(2, 101);  // a new id: nobody of the old group is heard any more
  write_line(101, "three");
  add(101, 6);
  add(101, 7);
  write_line(101, "four");
  check_state(7, "one\ntwo\nthree\nfour\n");
}

static void a_backup_becomes_a_group(void) {
  static const uint64_t ids[] = {11, 12, 13};
  const raft_conf_state members = {.voters = ids, .voters_len = 3};
  const raft_slice backup = back_up(2);
  for (int i = 0; i < 3; i++) restore(ids[i], 200, backup, &members);
  free((void *)(uintptr_t)backup.data);
  write_line(200, "elsewhere");
  // The backup is of the snapshot that was made when server 7 joined.
  check_state(13, "one\ntwo\nthree\nelsewhere\n");
  check_state(2, "one\ntwo\nthree\nfour\n");
}

int main(void) {
  members_come_and_go();
  a_quorum_is_lost();
  a_backup_becomes_a_group();
  for (uint64_t id = 1; id < SERVERS; id++) lose_machine(id);
  printf("done\n");
  return 0;
}
