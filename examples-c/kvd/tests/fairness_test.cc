// SPDX-License-Identifier: Apache-2.0
// One client does not take the store from the others.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine.h"
#include "long_reads.h"
#include "scan_cursors.h"
#include "turn_budget.h"

namespace kvd {
namespace {

TEST(TurnBudget, EndsATurnByKeysOrBytes) {
  TurnBudget budget;
  EXPECT_TRUE(budget.has_left(1));
  budget.spend(1, {1023, 0});
  EXPECT_TRUE(budget.has_left(1));
  EXPECT_EQ(budget.spend(1, {1, 10}).keys, 1024u);
  EXPECT_FALSE(budget.has_left(1));
  EXPECT_TRUE(budget.has_left(2)) << "the next turn";
  budget.spend(2, {1, 1 << 20});
  EXPECT_FALSE(budget.has_left(2));
  EXPECT_EQ(budget.spend(3, {1, 1}).bytes, 1u);
}

TEST(TurnBudget, IdleBuffersShareWhatThereIs) {
  EXPECT_EQ(idle_buffer_bytes(0), size_t{1} << 20);
  EXPECT_EQ(idle_buffer_bytes(64), size_t{1} << 20);
  EXPECT_EQ(idle_buffer_bytes(10000), size_t{16} << 10);
  for (size_t clients = 65; clients < 4096; ++clients) {
    ASSERT_LE(clients * idle_buffer_bytes(clients), size_t{64} << 20);
  }
}

class Client : public ReplySink {
 public:
  void reply(uint64_t, std::string_view) override {}
  bool takes_replies() const override { return takes; }
  bool is_gone() const override { return gone; }

  bool takes = true;
  bool gone = false;
};

// Reads that end when the test says so.
class Reads {
 public:
  void ask(const std::shared_ptr<Client> &client, const std::string &name) {
    queue_.add(client, [this, name](LongReads::Done done) {
      begun_.push_back(name);
      done_ = std::move(done);
    });
  }
  void go_on(bool has_memory = true) { queue_.go_on(has_memory); }
  void end_one() {
    std::exchange(done_, nullptr)();
    go_on();
  }
  const std::vector<std::string> &begun() const { return begun_; }
  size_t waiting() const { return queue_.waiting(); }

 private:
  LongReads queue_;
  std::vector<std::string> begun_;
  LongReads::Done done_;
};

using Names = std::vector<std::string>;

TEST(LongReads, ClientsTakeTurns) {
  Reads reads;
  const auto greedy = std::make_shared<Client>();
  const auto modest = std::make_shared<Client>();
  for (int i = 1; i <= 200; ++i) reads.ask(greedy, "greedy " + std::to_string(i));
  reads.go_on();
  reads.ask(modest, "modest");
  reads.go_on();
  EXPECT_EQ(reads.begun(), Names{"greedy 1"}) << "one at a time";
  reads.end_one();
  EXPECT_EQ(reads.begun().back(), "greedy 2") << "it had asked first";
  reads.end_one();
  EXPECT_EQ(reads.begun().back(), "modest");
  reads.end_one();
  EXPECT_EQ(reads.begun().back(), "greedy 3");
  EXPECT_EQ(reads.waiting(), 197u);
}

TEST(LongReads, WaitForClientsThatTakeNoRepliesAndForgetThoseThatAreGone) {
  Reads reads;
  const auto slow = std::make_shared<Client>();
  const auto gone = std::make_shared<Client>();
  const auto other = std::make_shared<Client>();
  reads.ask(slow, "slow");
  reads.ask(gone, "gone");
  reads.ask(other, "other");
  slow->takes = false;
  gone->gone = true;
  reads.go_on();
  EXPECT_EQ(reads.begun(), Names{"other"});
  reads.end_one();
  EXPECT_EQ(reads.begun(), Names{"other"});
  slow->takes = true;
  reads.go_on(false);
  EXPECT_EQ(reads.begun(), Names{"other"}) << "there is no memory";
  reads.go_on();
  EXPECT_EQ(reads.begun().back(), "slow");
  EXPECT_EQ(reads.waiting(), 0u);
}

std::string data_key(uint16_t slot, const std::string &key) {
  std::string made;
  make_data_key(made, slot, key);
  return made;
}

TEST(ScanCursors, GoOnBehindTheLastKey) {
  ScanCursors cursors;
  EXPECT_EQ(cursors.begin_of(0), data_key_bound(0));
  EXPECT_EQ(cursors.begin_of(77), data_key_bound(77));
  EXPECT_EQ(cursors.behind(""), 0u) << "the end";
  const std::string last = data_key(77, "key");
  const uint64_t cursor = cursors.behind(last);
  EXPECT_GT(cursors.begin_of(cursor), last);
  EXPECT_LT(cursors.begin_of(cursor), data_key(77, "key0"));
}

TEST(ScanCursors, ThatAreUnknownLeaveNothingOut) {
  ScanCursors cursors;
  const uint64_t cursor = cursors.behind(data_key(77, "key"));
  ScanCursors another_store;
  EXPECT_EQ(another_store.begin_of(cursor), data_key_bound(77));
  for (int i = 0; i < 5000; ++i) cursors.behind(data_key(5, std::to_string(i)));
  EXPECT_EQ(cursors.begin_of(cursor), data_key_bound(77)) << "it is long ago";
}

}  // namespace
}  // namespace kvd
