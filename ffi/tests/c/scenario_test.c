// SPDX-License-Identifier: Apache-2.0
//
// A group lives through elections, replication, a restart, snapshots, membership changes, a
// leadership transfer and reads. Argument: "ready" (the test takes raft_ready apart) or "drive"
// (raft_drive does).

#include "cluster.h"

static void check_same(const Cluster *cluster, uint64_t from, uint64_t to) {
  for (size_t i = 1; i < cluster->len; i++) {
    for (uint64_t index = from; index <= to; index++) {
      CHECK(strcmp(cluster->servers[0].applied[index], cluster->servers[i].applied[index]) == 0);
    }
  }
}

static void commands_are_applied_everywhere_in_order(Mode mode) {
  Cluster cluster;
  cluster_start(&cluster, mode, 3);
  const raft_entry_id first = cluster_propose(&cluster, "one");
  const raft_entry_id second = cluster_propose(&cluster, "two");
  CHECK(second.index == first.index + 1 && second.term == first.term);
  cluster_await(&cluster, second.index);
  CHECK(strcmp(cluster.servers[0].applied[first.index], "one") == 0);
  CHECK(strcmp(cluster.servers[0].applied[second.index], "two") == 0);
  check_same(&cluster, 1, second.index);
  cluster_free(&cluster);
}

static void batches_get_consecutive_places(Mode mode) {
  Cluster cluster;
  const raft_slice batch[3] = {text("a"), text(""), text("c")};
  raft_entry_id first = {0, 0};
  cluster_start(&cluster, mode, 3);
  OK(raft_propose_batch(cluster_leader(&cluster)->node, batch, 3, &first));
  cluster_await(&cluster, first.index + 2);
  CHECK(strcmp(cluster.servers[1].applied[first.index], "a") == 0);
  CHECK(strcmp(cluster.servers[1].applied[first.index + 1], "") == 0);
  CHECK(strcmp(cluster.servers[1].applied[first.index + 2], "c") == 0);
  cluster_free(&cluster);
}

static void followers_forward_proposals(Mode mode) {
  Cluster cluster;
  raft_entry_id placed = {1, 1};
  cluster_start(&cluster, mode, 3);
  const Server *leader = cluster_leader(&cluster);
  cluster_tick(&cluster);
  Server *follower = &cluster.servers[leader->id % 3];
  const uint64_t last = server_status(follower).last_index;
  OK(raft_propose(follower->node, text("forwarded"), &placed));
  CHECK(placed.term == 0 && placed.index == 0);
  cluster_await(&cluster, last + 1);
  CHECK(strcmp(follower->applied[last + 1], "forwarded") == 0);
  cluster_free(&cluster);
}

static void a_restarted_node_goes_on_from_its_disk(Mode mode) {
  Cluster cluster;
  cluster_start(&cluster, mode, 3);
  cluster_await(&cluster, cluster_propose(&cluster, "before").index);
  Server *leader = cluster_leader(&cluster);
  const uint64_t term = server_status(leader).term;
  server_restart(leader);
  CHECK(server_status(leader).term == term);
  CHECK(server_status(leader).role == RAFT_ROLE_FOLLOWER);
  const raft_entry_id after = cluster_propose(&cluster, "after");
  cluster_await(&cluster, after.index);
  check_same(&cluster, 1, after.index);
  cluster_free(&cluster);
}

// One follower misses entries that are compacted meanwhile, and gets a snapshot.
static void a_snapshot_brings_a_follower_up_to_date(Mode mode) {
  Cluster cluster;
  cluster_start(&cluster, mode, 3);
  Server *leader = cluster_leader(&cluster);
  Server *lost = &cluster.servers[leader->id % 3];
  lost->cut_off = true;
  uint64_t last = 0;
  for (int i = 0; i < 20; i++) {
    last = cluster_propose(&cluster, i % 2 == 0 ? "even" : "odd").index;
  }
  cluster_await(&cluster, last);
  leader = cluster_leader(&cluster);
  disk_snapshot(&leader->disk, last, raft_slice_of(leader->applied, sizeof leader->applied));
  disk_compact(&leader->disk, last);
  CHECK(server_status(leader).first_index == last + 1);
  lost->cut_off = false;
  const raft_entry_id after = cluster_propose(&cluster, "after");
  for (int ticks = 0; ticks < 100 && lost->applied_index < after.index; ticks++) {
    cluster_tick(&cluster);
    OK(raft_report_snapshot(cluster_leader(&cluster)->node, lost->id, true));
  }
  cluster_await(&cluster, after.index);
  CHECK(lost->snapshots == 1);
  CHECK(lost->disk.snapshot_index == last);
  check_same(&cluster, 1, after.index);
  cluster_free(&cluster);
}

static void a_node_joins_as_learner_and_becomes_a_voter(Mode mode) {
  Cluster cluster;
  raft_entry_id placed = {0, 0};
  const raft_conf_change_op learner = {RAFT_CONF_ADD_LEARNER, 4};
  const raft_conf_change_op voter = {RAFT_CONF_ADD_VOTER, 4};
  cluster_start(&cluster, mode, 3);
  cluster_await(&cluster, cluster_propose(&cluster, "before").index);
  Server *joined = cluster_join(&cluster);
  OK(raft_propose_conf_change(cluster_leader(&cluster)->node, &learner, 1, RAFT_TRANSITION_AUTO,
                              text("address"), &placed));
  cluster_await(&cluster, placed.index);
  CHECK(!server_status(joined).is_voter);
  OK(raft_propose_conf_change(cluster_leader(&cluster)->node, &voter, 1, RAFT_TRANSITION_AUTO,
                              text(""), &placed));
  cluster_await(&cluster, placed.index);
  CHECK(server_status(joined).is_voter);
  CHECK(cluster.servers[0].conf_changes == 2);
  CHECK(joined->snapshots == 1 && joined->conf_changes == 1);  // the first came in the snapshot
  // What is on the disk suffices: a restarted member knows the membership.
  server_restart(joined);
  CHECK(server_status(joined).is_voter);
  const raft_entry_id after = cluster_propose(&cluster, "after");
  cluster_await(&cluster, after.index);
  check_same(&cluster, 1, after.index);
  cluster_free(&cluster);
}

// Two members are replaced at once, through a joint configuration that is left automatically.
static void members_are_replaced_by_joint_consensus(Mode mode) {
  Cluster cluster;
  raft_entry_id placed = {0, 0};
  raft_conf_state_buffer *buffer = NULL;
  raft_conf_state state;
  cluster_start(&cluster, mode, 3);
  Server *leader = cluster_leader(&cluster);
  const raft_conf_change_op ops[3] = {
      {RAFT_CONF_ADD_VOTER, 4}, {RAFT_CONF_ADD_VOTER, 5}, {RAFT_CONF_REMOVE, leader->id % 3 + 1}};
  cluster_join(&cluster);
  cluster_join(&cluster);
  OK(raft_propose_conf_change(leader->node, ops, 3, RAFT_TRANSITION_AUTO, text(""), &placed));
  Server *removed = &cluster.servers[leader->id % 3];
  for (int ticks = 0; ticks < 100 && leader->conf_changes < 2; ticks++) {
    cluster_tick(&cluster);
  }
  removed->cut_off = true;
  OK(raft_node_conf_state(leader->node, &buffer));
  OK(raft_conf_state_buffer_view(buffer, &state));
  CHECK(state.voters_len == 4 && state.voters_outgoing_len == 0 && !state.auto_leave);
  raft_conf_state_buffer_free(buffer);
  cluster_await(&cluster, cluster_propose(&cluster, "after").index);
  cluster_free(&cluster);
}

static void leadership_is_transferred(Mode mode) {
  Cluster cluster;
  cluster_start(&cluster, mode, 3);
  cluster_await(&cluster, cluster_propose(&cluster, "before").index);
  const Server *leader = cluster_leader(&cluster);
  const uint64_t target = leader->id % 3 + 1;
  EXPECT(raft_transfer_leader(leader->node, 9), RAFT_ERR_INVALID_TRANSFEREE);
  OK(raft_transfer_leader(leader->node, target));
  uint64_t to = 77;
  int32_t result = 77;
  OK(raft_node_take_transfer_outcome(leader->node, &to, &result));
  CHECK(to == 0 && result == RAFT_TRANSFER_NONE);
  cluster_settle(&cluster);
  OK(raft_node_take_transfer_outcome(leader->node, &to, &result));
  CHECK(to == target && result == RAFT_TRANSFER_DONE);
  CHECK(cluster_leader(&cluster)->id == target);
  CHECK(cluster.servers[target - 1].soft_state.role == RAFT_ROLE_LEADER);
  cluster_await(&cluster, cluster_propose(&cluster, "after").index);
  cluster_free(&cluster);
}

static void reads_wait_for_what_was_committed_before(Mode mode) {
  Cluster cluster;
  cluster_start(&cluster, mode, 3);
  const raft_entry_id written = cluster_propose(&cluster, "written");
  cluster_await(&cluster, written.index);
  const Server *leader = cluster_leader(&cluster);
  Server *follower = &cluster.servers[leader->id % 3];
  OK(raft_read_index(follower->node, text("read 1")));
  cluster_settle(&cluster);
  CHECK(follower->read_index >= written.index);
  cluster_free(&cluster);
}

static void a_leader_knows_its_members(Mode mode) {
  Cluster cluster;
  raft_progress progress[3];
  char json[2048];
  size_t len = 0;
  cluster_start(&cluster, mode, 3);
  const raft_entry_id last = cluster_propose(&cluster, "x");
  cluster_await(&cluster, last.index);
  const Server *leader = cluster_leader(&cluster);
  EXPECT(raft_node_progress(leader->node, NULL, 0, &len), RAFT_ERR_TOO_LARGE);
  CHECK(len == 3);
  OK(raft_node_progress(leader->node, progress, 3, &len));
  for (size_t i = 0; i < 3; i++) {
    CHECK(progress[i].id == i + 1 && progress[i].matched == last.index);
  }
  OK(raft_node_progress(cluster.servers[leader->id % 3].node, NULL, 0, &len));
  CHECK(len == 0);
  OK(raft_node_status_json(leader->node, json, sizeof json, &len));
  CHECK(len == strlen(json) + 1);
  CHECK(json[0] == '{' && json[len - 2] == '}' && strstr(json, "\"role\":\"leader\"") != NULL);
  EXPECT(raft_node_status_json(leader->node, json, len - 1, NULL), RAFT_ERR_TOO_LARGE);
  cluster_free(&cluster);
}

int main(int argc, char **argv) {
  CHECK(argc == 2 && (strcmp(argv[1], "ready") == 0 || strcmp(argv[1], "drive") == 0));
  const Mode mode = strcmp(argv[1], "ready") == 0 ? BY_READY : BY_DRIVE;
  commands_are_applied_everywhere_in_order(mode);
  batches_get_consecutive_places(mode);
  followers_forward_proposals(mode);
  a_restarted_node_goes_on_from_its_disk(mode);
  a_snapshot_brings_a_follower_up_to_date(mode);
  a_node_joins_as_learner_and_becomes_a_voter(mode);
  members_are_replaced_by_joint_consensus(mode);
  leadership_is_transferred(mode);
  reads_wait_for_what_was_committed_before(mode);
  a_leader_knows_its_members(mode);
  return 0;
}
