// SPDX-License-Identifier: Apache-2.0
// The log on disk, under real Raft nodes.
#include "raft_storage.h"

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <deque>
#include <map>
#include <memory>
#include <set>

#include "raft_view.h"
#include "test_engine.h"

namespace kvd {
namespace {

constexpr uint64_t region_id = 1;

struct Sent {
  uint64_t to;
  std::string bytes;
};

// A node with its disk. restart() is what happens after kill -9, as all writes are synced.
class Node {
 public:
  Node(uint64_t id, const std::vector<uint64_t> &voters) : id_(id) {
    rocksdb::WriteBatch batch;
    RaftStorage::bootstrap(*engine_, region_id, voters, batch);
    engine_->write(batch, true);
    open();
  }
  ~Node() { close(); }

  void restart() {
    close();
    engine_.reopen();
    open();
  }

  // Does all work there is; what is to be sent is appended to `sent`.
  void work(std::deque<Sent> &sent) {
    while (raft_has_ready(node_)) {
      raft_ready_view *ready = nullptr;
      ASSERT_EQ(raft_ready(node_, &ready), RAFT_OK);
      if (ready == nullptr) return;
      rocksdb::WriteBatch batch;
      if (ready->must_sync || !commits_go_along_) {
        storage_->stage_ready(*ready, batch);
      } else {
        storage_->remember_commit(*ready);
      }
      if (ready->snapshot != nullptr) install(*ready->snapshot, batch);
      for (size_t i = 0; i < ready->committed_entries_len; ++i) {
        const raft_entry &entry = ready->committed_entries[i];
        applied_.push_back(std::string(view_of(entry.data)));
        storage_->stage_applied(entry.index, entry.term);
      }
      if (ready->committed_entries_len > 0 && applies_durably_) {
        storage_->stage_apply_state(batch);
      }
      engine_->write(batch, true);
      storage_->finish();
      for (size_t i = 0; i < ready->messages_len; ++i) {
        sent.push_back({ready->messages[i].to, std::string(view_of(ready->messages[i].bytes))});
      }
      ASSERT_EQ(raft_advance(node_, ready), RAFT_OK);
    }
  }

  void compact(uint64_t index) {
    rocksdb::WriteBatch batch;
    storage_->stage_compaction(index, batch);
    engine_->write(batch, true);
    storage_->finish();
  }

  raft_node_status_info status() {
    raft_node_status_info info{};
    info.struct_size = sizeof info;
    EXPECT_EQ(raft_node_status(node_, &info), RAFT_OK);
    return info;
  }

  // Whether the applied index goes to the disk with each batch.
  void apply_durably(bool durably) { applies_durably_ = durably; }
  // A commit index alone is not written at once, as a Peer does it.
  void let_commits_go_along() { commits_go_along_ = true; }

  raft_node *raft() { return node_; }
  RaftStorage &storage() { return *storage_; }
  const std::vector<std::string> &applied() const { return applied_; }
  uint64_t snapshot_index() const { return snapshot_index_; }
  void run_background() {
    loop_.restart();
    loop_.run_for(std::chrono::milliseconds(20));
  }

 private:
  void open() {
    background_ = std::make_unique<Background>(loop_);
    snapshots_ =
        std::make_unique<SnapshotCache>(*engine_, *background_, region_id, SlotRange{}, 1 << 20);
    storage_ = std::make_unique<RaftStorage>(*engine_, *snapshots_, region_id);
    raft_config config{};
    ASSERT_EQ(raft_config_init(&config, sizeof config, id_), RAFT_OK);
    config.applied = storage_->applied_index();
    config.log_cache_bytes = 0;  // everything must come from the disk
    // Elections are called by the tests, and nobody's lease is in their way.
    config.check_quorum = false;
    config.pre_vote = false;
    const raft_storage callbacks = storage_->callbacks();
    ASSERT_EQ(raft_node_new(&config, &callbacks, &node_), RAFT_OK);
  }

  void close() {
    raft_node_free(std::exchange(node_, nullptr));
    background_.reset();
    storage_.reset();
    snapshots_.reset();
    applied_.clear();
  }

  void install(const raft_snapshot &snapshot, rocksdb::WriteBatch &batch) {
    ASSERT_TRUE(is_snapshot_of(view_of(snapshot.data), SlotRange{}));
    install_snapshot(view_of(snapshot.data), SlotRange{}, *engine_, batch);
    storage_->stage_applied(snapshot.index, snapshot.term);
    storage_->stage_apply_state(batch);
    snapshot_index_ = snapshot.index;
  }

  uint64_t id_;
  TestEngine engine_;
  asio::io_context loop_;
  std::unique_ptr<Background> background_;
  std::unique_ptr<SnapshotCache> snapshots_;
  std::unique_ptr<RaftStorage> storage_;
  raft_node *node_ = nullptr;
  std::vector<std::string> applied_;
  uint64_t snapshot_index_ = 0;
  bool commits_go_along_ = false;
  bool applies_durably_ = true;
};

class Group {
 public:
  explicit Group(std::vector<uint64_t> ids) {
    for (const uint64_t id : ids) nodes_.emplace(id, std::make_unique<Node>(id, ids));
  }

  Node &operator[](uint64_t id) { return *nodes_.at(id); }
  void cut_off(uint64_t id) { away_.insert(id); }
  void bring_back(uint64_t id) { away_.erase(id); }

  void run() {
    std::deque<Sent> sent;
    do {
      for (auto &[id, node] : nodes_) {
        if (away_.count(id) == 0) node->work(sent);
      }
      const auto messages = std::exchange(sent, {});
      for (const Sent &message : messages) {
        if (away_.count(message.to) != 0) continue;
        // Late answers to a former term may be refused: that is the library's business.
        [[maybe_unused]] const raft_status status =
            raft_step(nodes_.at(message.to)->raft(), raft_view(message.bytes));
      }
    } while (busy());
  }

  void lead(uint64_t id) {
    ASSERT_EQ(raft_campaign(nodes_.at(id)->raft()), RAFT_OK);
    run();
    ASSERT_EQ(nodes_.at(id)->status().role, RAFT_ROLE_LEADER);
  }

  uint64_t propose(uint64_t id, const std::string &data) {
    raft_entry_id placed{};
    EXPECT_EQ(raft_propose(nodes_.at(id)->raft(), raft_view(data), &placed), RAFT_OK);
    return placed.index;
  }

  // As many ticks as it takes for heartbeats, and not so many that somebody campaigns.
  void tick(uint64_t id) {
    for (int i = 0; i < 3; ++i) {
      ASSERT_EQ(raft_tick(nodes_.at(id)->raft()), RAFT_OK);
      run();
    }
  }

 private:
  bool busy() {
    for (auto &[id, node] : nodes_) {
      if (away_.count(id) == 0 && raft_has_ready(node->raft())) return true;
    }
    return false;
  }

  std::map<uint64_t, std::unique_ptr<Node>> nodes_;
  std::set<uint64_t> away_;
};

TEST(RaftStorage, ANewGroupStartsBehindItsFirstSnapshot) {
  Group group({1, 2, 3});
  EXPECT_EQ(group[1].storage().first_index(), 2u);
  EXPECT_EQ(group[1].storage().last_index(), 1u);
  uint64_t term = 0;
  EXPECT_EQ(group[1].storage().term(1, &term), RAFT_OK);
  EXPECT_EQ(term, 1u);
  EXPECT_EQ(group[1].storage().term(0, &term), RAFT_ERR_COMPACTED);
  EXPECT_EQ(group[1].storage().term(2, &term), RAFT_ERR_UNAVAILABLE);
}

TEST(RaftStorage, ARestartFindsEverything) {
  Group group({1});
  group.lead(1);
  for (int i = 0; i < 50; ++i) group.propose(1, "entry " + std::to_string(i));
  group.run();
  const auto before = group[1].status();
  EXPECT_EQ(before.applied, before.last_index);
  group[1].restart();
  const auto after = group[1].status();
  EXPECT_EQ(after.term, before.term);
  EXPECT_EQ(after.vote, before.vote);
  EXPECT_EQ(after.commit, before.commit);
  EXPECT_EQ(after.applied, before.applied);
  EXPECT_EQ(after.last_index, before.last_index);
  EXPECT_EQ(after.last_term, before.last_term);
  group.lead(1);
  EXPECT_GT(group[1].status().term, before.term);
  EXPECT_EQ(group[1].applied().size(), 1u) << "only the new term's empty entry";
}

TEST(RaftStorage, ACommitIndexAloneGoesAlongWithTheNextWrite) {
  Group group({1});
  group[1].apply_durably(false);
  group[1].let_commits_go_along();
  group.lead(1);
  group.propose(1, "one");
  group.run();
  group.propose(1, "two");
  group.run();
  const auto before = group[1].status();
  EXPECT_EQ(before.commit, before.last_index);
  group[1].restart();
  const auto after = group[1].status();
  EXPECT_EQ(after.last_index, before.last_index);
  EXPECT_EQ(after.commit, before.commit - 1) << "what was written with the last entry";
  group.lead(1);
  EXPECT_EQ(group[1].applied(), (std::vector<std::string>{"", "one", "two", ""}));
}

TEST(RaftStorage, EntriesComeBackFromTheDiskAsTheyWere) {
  Group group({1, 2, 3});
  group.lead(1);
  group.cut_off(3);
  std::vector<std::string> expected = {""};
  for (int i = 0; i < 300; ++i) {
    expected.push_back(std::string(static_cast<size_t>(i * 37 % 4000), 'x') + std::to_string(i));
    group.propose(1, expected.back());
    group.run();
  }
  group.bring_back(3);
  group.tick(1);
  group.tick(1);
  EXPECT_EQ(group[3].applied(), expected);
}

TEST(RaftStorage, ANewLeaderReplacesTheTailOfTheLog) {
  Group group({1, 2, 3});
  group.lead(1);
  group.cut_off(2);
  group.cut_off(3);
  for (int i = 0; i < 10; ++i) group.propose(1, "lost " + std::to_string(i));
  group.run();
  const uint64_t lost_end = group[1].storage().last_index();
  group.cut_off(1);
  group.bring_back(2);
  group.bring_back(3);
  group.lead(2);
  group.propose(2, "kept");
  group.run();
  ASSERT_LT(group[2].storage().last_index(), lost_end);
  group.bring_back(1);
  group.tick(2);
  EXPECT_EQ(group[1].storage().last_index(), group[2].storage().last_index());
  EXPECT_EQ(group[1].applied().back(), "kept");
  uint64_t term = 0;
  EXPECT_EQ(group[1].storage().term(lost_end, &term), RAFT_ERR_UNAVAILABLE);
  // And so it is after a restart, which checks what it loads.
  group[1].restart();
  EXPECT_EQ(group[1].status().last_index, group[2].status().last_index);
}

TEST(RaftStorage, CompactionKeepsTheTail) {
  Group group({1});
  group.lead(1);
  for (int i = 0; i < 100; ++i) group.propose(1, "entry");
  group.run();
  const auto before = group[1].status();
  group[1].compact(60);
  EXPECT_EQ(group[1].storage().first_index(), 61u);
  uint64_t term = 0;
  EXPECT_EQ(group[1].storage().term(60, &term), RAFT_OK);
  EXPECT_EQ(term, before.last_term);
  EXPECT_EQ(group[1].storage().term(59, &term), RAFT_ERR_COMPACTED);
  EXPECT_EQ(group[1].storage().entries(60, 70, nullptr), RAFT_ERR_COMPACTED);
  EXPECT_EQ(group[1].storage().entries(61, before.last_index + 2, nullptr), RAFT_ERR_UNAVAILABLE);
  group[1].compact(50);
  EXPECT_EQ(group[1].storage().first_index(), 61u) << "what is gone stays gone";
  group[1].compact(before.applied + 1);
  EXPECT_EQ(group[1].storage().first_index(), 61u) << "what is not applied stays";
  group[1].restart();
  EXPECT_EQ(group[1].storage().first_index(), 61u);
  EXPECT_EQ(group[1].status().last_index, before.last_index);
  group.lead(1);
  group[1].compact(group[1].status().applied);
  group[1].restart();
  EXPECT_EQ(group[1].status().last_index, group[1].status().first_index - 1);
}

// What is applied but not durably is applied again after a crash, from the log.
TEST(RaftStorage, CompactionStopsAtWhatIsDurablyApplied) {
  Group group({1});
  group.lead(1);
  for (int i = 0; i < 100; ++i) group.propose(1, "entry");
  group.run();
  group[1].apply_durably(false);
  const uint64_t durable = group[1].storage().durable_index();
  EXPECT_EQ(durable, group[1].storage().applied_index());
  for (int i = 0; i < 50; ++i) group.propose(1, "entry");
  group.run();
  EXPECT_EQ(group[1].storage().applied_index(), durable + 50);
  EXPECT_EQ(group[1].storage().durable_index(), durable);
  group[1].compact(durable + 1);
  EXPECT_EQ(group[1].storage().first_index(), 2u);
  group[1].compact(durable);
  EXPECT_EQ(group[1].storage().first_index(), durable + 1);
  const uint64_t last = group[1].storage().last_index();
  group[1].restart();
  EXPECT_EQ(group[1].storage().applied_index(), durable);
  EXPECT_EQ(group[1].storage().last_index(), last);
  group.lead(1);
  EXPECT_EQ(group[1].applied().size(), 51u) << "the 50 entries again, and the new term's empty one";
  // A checkpoint makes it durable.
  group[1].storage().note_durable(last);
  group[1].compact(last);
  EXPECT_EQ(group[1].storage().first_index(), last + 1);
}

TEST(RaftStorage, ASnapshotCatchesAMemberUp) {
  Group group({1, 2, 3});
  group.lead(1);
  group.cut_off(3);
  for (int i = 0; i < 100; ++i) group.propose(1, "entry");
  group.run();
  const uint64_t applied = group[1].status().applied;
  group[1].compact(applied - 10);
  group.bring_back(3);
  // The first question starts the making of the snapshot, a later one finds it.
  while (group[3].status().applied < applied) {
    group.tick(1);
    group[1].run_background();
  }
  EXPECT_EQ(group[3].snapshot_index(), applied);
  EXPECT_EQ(group[3].status().applied, applied);
  EXPECT_EQ(group[3].storage().first_index(), applied + 1);
  group[3].restart();
  EXPECT_EQ(group[3].status().applied, applied);
  EXPECT_EQ(group[3].status().commit, applied);
  // It is a full member again, with the membership from the snapshot.
  group.cut_off(2);
  group.tick(1);
  const uint64_t index = group.propose(1, "after");
  group.run();
  group.tick(1);
  EXPECT_EQ(group[3].status().applied, index);
  EXPECT_EQ(group[3].applied().back(), "after");
}

TEST(RaftStorage, DamageIsFoundWhenItIsLoaded) {
  TestEngine engine;
  asio::io_context loop;
  Background background(loop);
  SnapshotCache snapshots(*engine, background, region_id, SlotRange{}, 1 << 20);
  EXPECT_EXIT(RaftStorage(*engine, snapshots, region_id), testing::ExitedWithCode(1),
              "cannot be read");
  rocksdb::WriteBatch batch;
  RaftStorage::bootstrap(*engine, region_id, {1}, batch);
  batch.Put(engine->data(), apply_state_key(region_id), ApplyState{5, 1, ""}.encode());
  engine->write(batch, true);
  EXPECT_EXIT(RaftStorage(*engine, snapshots, region_id), testing::ExitedWithCode(1),
              "applied index 5 is not in the log");
}

}  // namespace
}  // namespace kvd
