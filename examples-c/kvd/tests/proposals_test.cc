// SPDX-License-Identifier: Apache-2.0
#include "proposals.h"

#include <gtest/gtest.h>

#include <chrono>

#include "write_command.h"

namespace kvd {
namespace {

class NoSink : public ReplySink {
 public:
  void reply(uint64_t, std::string_view) override {}
  bool takes_replies() const override { return true; }
};

Waiter waiter(uint64_t number) {
  static const auto sink = std::make_shared<NoSink>();
  return {sink, number};
}

std::vector<uint64_t> numbers(const std::vector<Waiter> &waiters) {
  std::vector<uint64_t> result;
  for (const Waiter &one : waiters) result.push_back(one.number);
  return result;
}

using Numbers = std::vector<uint64_t>;

// Not with operator+, of which GCC 12 warns without a reason (its bug 105651).
std::string key(uint64_t number) { return std::string(1, 'k').append(std::to_string(number)); }

TEST(ProposalBatch, PacksWritesUntilAnEntryIsFull) {
  ProposalBatch batch;
  const std::string value(10000, 'v');
  for (uint64_t i = 0; i < 20; ++i) {
    encode_set(batch.begin(), 0, key(i), value);
    batch.commit(waiter(i));
  }
  ASSERT_EQ(batch.entries().size(), 3u);
  uint64_t next = 0;
  for (const ProposalBatch::Entry &entry : batch.entries()) {
    WriteReader reader(
        std::string_view(batch.bytes()).substr(entry.begin, entry.end - entry.begin));
    WriteCommand command;
    for (const Waiter &one : entry.waiters) {
      ASSERT_EQ(reader.next(command), WriteReader::Next::command);
      EXPECT_EQ(command.key, key(next));
      EXPECT_EQ(one.number, next++);
    }
    EXPECT_EQ(reader.next(command), WriteReader::Next::end);
  }
  EXPECT_EQ(next, 20u);
}

TEST(ProposalBatch, CancelLeavesNoTrace) {
  ProposalBatch batch;
  batch.begin().append("half a write");
  batch.cancel();
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(batch.bytes(), "");
  encode_incr(batch.begin(), "n", 1);
  batch.commit(waiter(1));
  const std::string before = batch.bytes();
  batch.begin().append("half a write");
  batch.cancel();
  EXPECT_EQ(batch.bytes(), before);
  ASSERT_EQ(batch.entries().size(), 1u);
  EXPECT_EQ(batch.entries()[0].end, before.size());
}

TEST(PendingWrites, AreMatchedByTermAndIndex) {
  PendingWrites pending;
  const auto later = Clock::now() + std::chrono::hours(1);
  pending.add(3, 10, {waiter(1), waiter(2)}, later);
  pending.add(3, 11, {waiter(3)}, later);
  std::vector<Waiter> superseded;
  EXPECT_EQ(numbers(pending.applied(3, 9, superseded)), Numbers{});
  EXPECT_EQ(numbers(pending.applied(3, 10, superseded)), (Numbers{1, 2}));
  EXPECT_EQ(numbers(pending.applied(4, 11, superseded)), Numbers{});
  EXPECT_EQ(numbers(superseded), Numbers{3});
  EXPECT_EQ(pending.entries(), 0u);
}

// A leader that lost its place and won it again proposes at an index it had used before: which of
// the two entries is committed there is open until one is.
TEST(PendingWrites, OlderTermsMayStillWin) {
  const auto later = Clock::now() + std::chrono::hours(1);
  for (const uint64_t winner : {3, 5}) {
    PendingWrites pending;
    pending.add(3, 11, {waiter(1)}, later);
    pending.add(3, 12, {waiter(2)}, later);
    pending.add(5, 11, {waiter(3)}, later);
    std::vector<Waiter> superseded;
    EXPECT_EQ(numbers(pending.applied(winner, 11, superseded)), Numbers{winner == 3 ? 1u : 3u});
    EXPECT_EQ(numbers(superseded), Numbers{winner == 3 ? 3u : 1u});
    EXPECT_EQ(pending.entries(), 1u);
  }
}

TEST(PendingWrites, ASnapshotLeavesTheirFateOpen) {
  PendingWrites pending;
  const auto later = Clock::now() + std::chrono::hours(1);
  pending.add(3, 10, {waiter(1)}, later);
  pending.add(3, 11, {waiter(2)}, later);
  EXPECT_EQ(numbers(pending.covered_by_snapshot(10)), Numbers{1});
  EXPECT_EQ(pending.entries(), 1u);
}

TEST(PendingWrites, ExpiredOnesAreAnsweredOnce) {
  PendingWrites pending;
  const auto now = Clock::now();
  pending.add(3, 10, {waiter(1)}, now);
  pending.add(3, 11, {waiter(2)}, now + std::chrono::hours(1));
  EXPECT_EQ(numbers(pending.expired(now)), Numbers{1});
  EXPECT_EQ(numbers(pending.expired(now)), Numbers{});
  std::vector<Waiter> superseded;
  EXPECT_EQ(numbers(pending.applied(3, 10, superseded)), Numbers{});
  EXPECT_EQ(numbers(superseded), Numbers{});
}

}  // namespace
}  // namespace kvd
