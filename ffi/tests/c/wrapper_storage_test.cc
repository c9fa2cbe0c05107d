// SPDX-License-Identifier: Apache-2.0
//
// raftcore.hpp: a host's storage is tried against its contract.

#include "wrapper_support.hpp"

namespace {

// A log that the suite tries; one flaw on request.
class TriedStorage final : public raftcore::CheckedStorage {
 public:
  bool forgets_boundary_term = false;
  std::uint64_t made_for = 0;  // whom the last snapshot was made for

  void initial_state(raft_hard_state &hard_state, raftcore::ConfStateSink conf_state) override {
    hard_state = hard_state_;
    conf_state.set(members_.view());
  }
  void entries(std::uint64_t low, std::uint64_t high, std::uint64_t,
               raftcore::EntrySink out) override {
    if (low <= compacted_.index) throw raftcore::Error(RAFT_ERR_COMPACTED);
    if (high > last_index() + 1) throw raftcore::Error(RAFT_ERR_UNAVAILABLE);
    for (; low < high && out.push(raftcore::decode_entry(at(low))); low++) {
    }
  }
  std::uint64_t term(std::uint64_t index) override {
    if (index < compacted_.index) throw raftcore::Error(RAFT_ERR_COMPACTED);
    if (index > last_index()) throw raftcore::Error(RAFT_ERR_UNAVAILABLE);
    if (index > compacted_.index) return raftcore::decode_entry(at(index)).term;
    return forgets_boundary_term && index > 1 ? 0 : compacted_.term;
  }
  std::uint64_t first_index() override { return compacted_.index + 1; }
  std::uint64_t last_index() override { return compacted_.index + log_.size(); }
  void snapshot(raftcore::SnapshotSink out) override { out.set_encoded(snapshot_); }
  void snapshot_for(std::uint64_t peer, raftcore::SnapshotSink out) override {
    made_for = peer;
    snapshot(out);
  }

  void reset() override {
    log_.clear();
    hard_state_ = {};
    compacted_ = {};
    members_ = {};
    snapshot_.clear();
  }
  void persist(const raft_persist &what) override {
    if (what.snapshot != nullptr) {
      if (what.snapshot->index < compacted_.index) throw raftcore::Error(RAFT_ERR_OTHER);
      log_.clear();
      compacted_ = {what.snapshot->term, what.snapshot->index};
      members_ = raftcore::Members(what.snapshot->conf_state);
      snapshot_ = raftcore::encode(*what.snapshot);
    }
    for (const raft_entry &entry : raftcore::Span<raft_entry>(what.entries, what.entries_len)) {
      log_.resize(entry.index - first_index());
      log_.push_back(raftcore::encode(entry));
    }
    if (what.hard_state != nullptr) hard_state_ = *what.hard_state;
  }
  void compact(std::uint64_t index) override {
    const raft_entry_id until{term(index), index};
    raft_snapshot made{};
    made.term = until.term;
    made.index = until.index;
    made.conf_state = members_.view();
    if (index <= compacted_.index) return;
    snapshot_ = raftcore::encode(made);
    log_.erase(log_.begin(), log_.begin() + static_cast<std::ptrdiff_t>(index - compacted_.index));
    compacted_ = until;
  }
  bool reopen(std::int32_t how) override { return how == RAFT_REOPEN_CLOSED; }

 private:
  const std::string &at(std::uint64_t index) const { return log_[index - compacted_.index - 1]; }

  std::deque<std::string> log_;
  raft_hard_state hard_state_{};
  raft_entry_id compacted_{};
  raftcore::Members members_;
  std::string snapshot_;
};

TEST(Wrapper, AStorageIsTriedAgainstItsContract) {
  TriedStorage storage;
  std::size_t kept = 0;
  for (const raftcore::Finding &finding : raftcore::check_storage(storage)) {
    EXPECT_NE(finding.outcome, RAFT_RULE_BROKEN) << finding.rule << ": " << finding.got;
    kept += finding.outcome == RAFT_RULE_KEPT;
  }
  EXPECT_GT(kept, 38u);
  EXPECT_NE(storage.made_for, 0u) << "the table has no snapshot_for";
  storage.forgets_boundary_term = true;
  for (const raftcore::Finding &finding : raftcore::check_storage(storage)) {
    if (finding.outcome != RAFT_RULE_BROKEN) continue;
    EXPECT_EQ(finding.rule, "compaction_boundary_term");
    EXPECT_NE(finding.expected, finding.got);
    break;
  }
}

TEST(MemoryStorage, ANodeGoesOnWhereItStopped) {
  const raftcore::Members members({1});
  auto memory = std::make_unique<raftcore::MemoryStorage>(&members);
  const auto settle = [&](raftcore::Node &node) {
    std::string applied;
    for (raftcore::Ready ready = node.ready(); ready; ready = node.ready()) {
      memory->store(ready);
      for (const raft_entry &entry : ready.committed_entries()) applied += raftcore::view(entry.data);
      ready.advance();
    }
    return applied;
  };
  {
    raftcore::Node node = memory->node(raftcore::config(1));
    node.campaign();
    settle(node);
    node.propose("a");
    node.propose("b");
    EXPECT_EQ(settle(node), "ab");
  }
  EXPECT_EQ(memory->status().last_index, 4u);
  EXPECT_EQ(memory->members().view().voters_len, 1u);
  EXPECT_EQ(status_of([&] { memory->compact(3); }), RAFT_ERR_INVALID_ARGUMENT);
  memory->create_snapshot(2, "");
  memory->create_snapshot_owned(3, std::string("a"));
  memory->compact(3);
  EXPECT_EQ(raftcore::view(memory->snapshot().view().data), "a");
  raftcore::Node again = memory->node(raftcore::config(1));
  EXPECT_EQ(settle(again), "b");
  memory.reset();
  again.tick();  // the node keeps the log
}

TEST(Recovery, ASurvivorGoesOnAlone) {
  const raftcore::Members three({1, 2, 3});
  const raftcore::Members alone(std::vector<std::uint64_t>{1});
  const raft_conf_state state = alone.view();
  raft_recovery_request request{};
  request.node = 1;
  request.members = &state;
  raftcore::MemoryStorage log(&three);
  EXPECT_EQ(raftcore::log_position(log, 1).last.index, 1u);
  const raftcore::Recovery recovery = raftcore::recover(log, request);
  EXPECT_TRUE(recovery.view().may_miss_committed);
  EXPECT_EQ(raftcore::Members(recovery.view().before).voters, three.voters);
  log.persist(recovery.persist());
  EXPECT_EQ(log.status().hard_state.commit, 3u);
  request.node = 9;
  EXPECT_EQ(status_of([&] { raftcore::recover(log, request); }), RAFT_ERR_RECOVERY);
  // And a storage of the host's own.
  TriedStorage own;
  own.reset();
  request.node = 1;
  EXPECT_EQ(raftcore::log_position(own, 1).node, 1u);
  EXPECT_EQ(status_of([&] { raftcore::recover(own, request); }), RAFT_ERR_RECOVERY);
}

TEST(Recovery, ABackupBecomesAGroup) {
  raft_snapshot snapshot{};
  snapshot.term = 2;
  snapshot.index = 7;
  snapshot.data = raftcore::slice("state");
  std::string backup = raftcore::encode_backup(snapshot);
  EXPECT_EQ(raftcore::view(raftcore::decode_backup(backup).view().data), "state");
  raftcore::MemoryStorage log;
  log.persist(raftcore::restore(backup, raftcore::Members({11, 12, 13})).persist());
  EXPECT_EQ(log.status().snapshot_index, 7u);
  EXPECT_EQ(log.members().voters.size(), 3u);
  backup.back() ^= 1;
  EXPECT_EQ(status_of([&] { raftcore::decode_backup(backup); }), RAFT_ERR_DECODE);
}

TEST(MemoryStorage, TakesWhatComesFromElsewhere) {
  raftcore::MemoryStorage memory;
  raft_entry entry{};
  entry.term = 1;
  entry.index = 1;
  memory.append(&entry, 1);
  memory.set_hard_state({1, 2, 1});
  EXPECT_EQ(memory.status().hard_state.vote, 2u);
  const raftcore::Members members({1, 2});
  memory.set_conf_state(members.view());
  EXPECT_EQ(memory.members().view().voters_len, 2u);
  raft_snapshot snapshot{};
  snapshot.term = 2;
  snapshot.index = 7;
  snapshot.conf_state = members.view();
  memory.apply_snapshot(snapshot);
  EXPECT_EQ(memory.status().first_index, 8u);
  snapshot.index = 6;
  EXPECT_EQ(status_of([&] { memory.apply_snapshot(snapshot); }), RAFT_ERR_STORAGE);
}

}  // namespace
