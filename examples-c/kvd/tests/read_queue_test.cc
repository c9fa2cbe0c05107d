// SPDX-License-Identifier: Apache-2.0
#include "read_queue.h"

#include <gtest/gtest.h>

#include <chrono>

namespace kvd {
namespace {

uint64_t submit(ReadQueue &queue, const std::string &bytes,
                Clock::time_point deadline = Clock::time_point::max()) {
  queue.begin().append(bytes);
  queue.commit({nullptr, 0});
  return queue.submit(Clock::time_point(), deadline);
}

TEST(ReadQueue, ServesWhatIsConfirmedAndApplied) {
  ReadQueue queue;
  const uint64_t first = submit(queue, "first");
  const uint64_t second = submit(queue, "second");
  ReadQueue::Batch batch;
  EXPECT_FALSE(queue.take_ready(100, batch)) << "not confirmed";
  queue.confirmed(first, 10);
  EXPECT_FALSE(queue.take_ready(9, batch)) << "not applied";
  ASSERT_TRUE(queue.take_ready(10, batch));
  EXPECT_EQ(batch.bytes, "first");
  EXPECT_FALSE(queue.take_ready(100, batch));
  queue.confirmed(second, 12);
  ASSERT_TRUE(queue.take_ready(12, batch));
  EXPECT_EQ(batch.bytes, "second");
}

TEST(ReadQueue, AConfirmationOfSomethingElseIsIgnored) {
  ReadQueue queue;
  const uint64_t ticket = submit(queue, "read");
  queue.confirmed(ticket + 1, 10);
  ReadQueue::Batch batch;
  EXPECT_FALSE(queue.take_ready(100, batch));
}

TEST(ReadQueue, AllReadsOfATurnShareABatch) {
  ReadQueue queue;
  queue.begin().append("one");
  queue.commit({nullptr, 1});
  queue.begin().append("bad");
  queue.cancel();
  queue.begin().append("two");
  queue.commit({nullptr, 2});
  EXPECT_TRUE(queue.has_collected());
  queue.confirmed(queue.submit(Clock::time_point(), Clock::time_point::max()), 1);
  EXPECT_FALSE(queue.has_collected());
  ReadQueue::Batch batch;
  ASSERT_TRUE(queue.take_ready(1, batch));
  ASSERT_EQ(batch.reads.size(), 2u);
  EXPECT_EQ(batch.bytes.substr(batch.reads[1].begin, batch.reads[1].end - batch.reads[1].begin),
            "two");
}

TEST(ReadQueue, LosingLeadershipTakesOnlyTheUnconfirmed) {
  ReadQueue queue;
  const uint64_t first = submit(queue, "first");
  submit(queue, "second");
  queue.confirmed(first, 10);
  const auto taken = queue.take_unconfirmed();
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].bytes, "second");
  ReadQueue::Batch batch;
  EXPECT_TRUE(queue.take_ready(10, batch));
}

TEST(ReadQueue, ARefusedBatchIsWithdrawn) {
  ReadQueue queue;
  submit(queue, "first");
  submit(queue, "refused");
  EXPECT_EQ(queue.withdraw().bytes, "refused");
  EXPECT_EQ(queue.take_unconfirmed().size(), 1u);
}

TEST(ReadQueue, ExpiredBatchesAreTaken) {
  ReadQueue queue;
  const auto now = Clock::now();
  submit(queue, "late", now);
  submit(queue, "early", now + std::chrono::hours(1));
  const auto expired = queue.take_expired(now);
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_EQ(expired[0].bytes, "late");
  EXPECT_TRUE(queue.take_expired(now).empty());
}

TEST(ReadQueue, AsksAgainForWhatIsNotConfirmed) {
  ReadQueue queue;
  const auto at = [](int seconds) { return Clock::time_point(std::chrono::seconds(seconds)); };
  const auto ask = [&](int seconds) {
    queue.begin().append("read");
    queue.commit({nullptr, 0});
    return queue.submit(at(seconds), Clock::time_point::max());
  };
  const uint64_t old = ask(1);
  const uint64_t confirmed = ask(2);
  const uint64_t young = ask(3);
  queue.confirmed(confirmed, 10);
  const auto tickets = queue.ask_again(at(2), at(4));
  ASSERT_EQ(tickets.size(), 1u);
  EXPECT_GT(tickets[0], young);
  ReadQueue::Batch batch;
  ASSERT_TRUE(queue.take_ready(10, batch));
  queue.confirmed(old, 10);
  EXPECT_FALSE(queue.take_ready(100, batch)) << "an answer to the first question counts no more";
  queue.confirmed(tickets[0], 10);
  EXPECT_TRUE(queue.take_ready(10, batch));
  EXPECT_EQ(queue.ask_again(at(3), at(5)), std::vector<uint64_t>{tickets[0] + 1});
}

}  // namespace
}  // namespace kvd
