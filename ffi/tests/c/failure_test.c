// SPDX-License-Identifier: Apache-2.0
//
// Each callback of raft_drive fails in turn: the first one that is called, the second, and so on to
// the last of a whole scenario. Whatever fails, nothing is sent that was not stored, nothing is
// applied twice or not at all, and the outcome is that of a run without failures. (The checks are
// in support.c, at the callbacks.)

#include "cluster.h"

typedef struct Outcome {
  size_t calls;
  size_t failures;
  char applied[3][MAX_APPLIED][MAX_TEXT];
} Outcome;

static Outcome run(size_t fail_at, bool fail_all) {
  static Outcome outcome;
  Cluster cluster;
  raft_entry_id placed = {0, 0};
  const raft_conf_change_op remove = {RAFT_CONF_REMOVE, 4};
  cluster_start(&cluster, BY_DRIVE, 3);
  cluster.fail_at = fail_at;
  cluster.fail_all = fail_all;
  // An election, entries, a read.
  cluster_propose(&cluster, "one");
  OK(raft_read_index(cluster_leader(&cluster)->node, text("read")));
  cluster_await(&cluster, cluster_propose(&cluster, "two").index);
  // Membership changes with entries around them.
  const raft_conf_change_op add = {RAFT_CONF_ADD_LEARNER, 4};
  cluster_propose(&cluster, "before");
  OK(raft_propose_conf_change(cluster_leader(&cluster)->node, &add, 1, RAFT_TRANSITION_AUTO,
                              text(""), NULL));
  cluster_await(&cluster, cluster_propose(&cluster, "between").index);
  OK(raft_propose_conf_change(cluster_leader(&cluster)->node, &remove, 1, RAFT_TRANSITION_AUTO,
                              text(""), &placed));
  cluster_await(&cluster, placed.index);
  // A snapshot.
  Server *leader = cluster_leader(&cluster);
  Server *lost = &cluster.servers[leader->id % 3];
  lost->cut_off = true;
  cluster_await(&cluster, cluster_propose(&cluster, "missed").index);
  leader = cluster_leader(&cluster);
  disk_snapshot(&leader->disk, leader->applied_index,
                raft_slice_of(leader->applied, sizeof leader->applied));
  disk_compact(&leader->disk, leader->applied_index);
  lost->cut_off = false;
  const raft_entry_id last = cluster_propose(&cluster, "last");
  cluster_await(&cluster, last.index);
  for (size_t i = 0; i < 3; i++) {
    CHECK(cluster.servers[i].conf_changes == 2);
    memcpy(outcome.applied[i], cluster.servers[i].applied, sizeof outcome.applied[i]);
  }
  CHECK(lost->snapshots == 1);
  outcome.calls = cluster.calls;
  outcome.failures = cluster.failures;
  cluster_free(&cluster);
  return outcome;
}

// ---- Snapshots that are sent in a way of their own (raft_config.lend_snapshots) --------------------------

typedef struct Sender {
  size_t calls;
  size_t fail_at;
  uint64_t sent[4];  // to whom, one after the other
  size_t sent_len;
} Sender;

static raft_status send_nothing(void *context, const raft_message *messages, size_t len) {
  (void)context;
  (void)messages;
  (void)len;
  return RAFT_OK;
}

static raft_status apply_nothing(void *context, const raft_entry *entries, size_t len) {
  (void)context;
  (void)entries;
  (void)len;
  return RAFT_OK;
}

static raft_status persist_nothing(void *context, const raft_persist *what) {
  (void)context;
  CHECK(what->entries_len == 0);
  return RAFT_OK;
}

static raft_status send_snapshot(void *context, const raft_snapshot_message *message) {
  Sender *self = context;
  if (++self->calls == self->fail_at) {
    return RAFT_ERR_IO;
  }
  CHECK(self->sent_len < 4);
  self->sent[self->sent_len++] = message->to;
  return RAFT_OK;
}

// Two peers need one. Whichever call fails, each is sent one, once.
static void a_snapshot_that_was_sent_is_not_sent_again(void) {
  static const uint64_t ids[] = {1, 2, 3};
  for (size_t fail_at = 0; fail_at <= 2; fail_at++) {
    Disk disk = {0};
    Sender sender = {0};
    raft_config config;
    raft_node *node = NULL;
    raft_host host = {0};
    bool worked = true;
    disk_format(&disk, ids, 3);
    const raft_storage storage = disk_storage(&disk);
    OK(raft_config_init(&config, sizeof config, 1));
    config.pre_vote = false;
    config.lend_snapshots = true;
    OK(raft_node_new(&config, &storage, &node));
    disk_lead(&disk, node, 2, 0);
    sender.fail_at = fail_at;
    host.struct_size = sizeof host;
    host.context = &sender;
    host.send = send_nothing;
    host.apply = apply_nothing;
    host.persist = persist_nothing;
    host.send_snapshot = send_snapshot;
    if (fail_at > 0) {
      EXPECT(raft_drive(node, &host, &worked), RAFT_ERR_CALLBACK);
      CHECK(sender.sent_len == fail_at - 1);
    }
    while (worked) {
      OK(raft_drive(node, &host, &worked));
    }
    CHECK(sender.sent_len == 2 && sender.sent[0] + sender.sent[1] == 2 + 3);
    raft_node_free(node);
    disk_free(&disk);
  }
}

int main(void) {
  a_snapshot_that_was_sent_is_not_sent_again();
  static Outcome good;
  static Outcome bad;
  good = run(0, false);
  CHECK(good.failures == 0 && good.calls > 100);
  for (size_t k = 1; k <= good.calls; k++) {
    bad = run(k, false);
    CHECK(bad.failures == 1 && bad.calls == good.calls + 1);
    CHECK(memcmp(bad.applied, good.applied, sizeof good.applied) == 0);
  }
  bad = run(0, true);
  CHECK(bad.failures >= good.calls);
  CHECK(memcmp(bad.applied, good.applied, sizeof good.applied) == 0);
  printf("%zu callbacks failed in turn\n", good.calls);
  return 0;
}
