// SPDX-License-Identifier: Apache-2.0
#include "disk_watch.h"

#include <gtest/gtest.h>

namespace kvd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr DiskClock::time_point start{};

struct Case {
  const char *what;
  int own_ms;
  std::vector<std::pair<uint64_t, int>> followers;
  size_t voters;
  uint64_t chosen;
};

TEST(DiskWatch, WhenAnotherStoreWouldBeFaster) {
  const std::vector<Case> cases = {
      {"only this disk is slow: the fastest", 300, {{2, 5}, {3, 2}}, 3, 3},
      {"one follower is slow, too: nothing is gained", 300, {{2, 5}, {3, 200}}, 3, 0},
      {"all are slow", 300, {{2, 280}, {3, 310}}, 3, 0},
      {"this disk is not slow", 50, {{2, 1}, {3, 1}}, 3, 0},
      {"just over", 51, {{2, 1}, {3, 1}}, 3, 2},
      {"not four times as slow", 100, {{2, 25}, {3, 25}}, 3, 0},
      {"a little more than four times", 101, {{2, 25}, {3, 25}}, 3, 2},
      {"one follower is away", 300, {{2, 5}}, 3, 0},
      {"three of four followers are fast", 300, {{2, 5}, {3, 250}, {4, 4}, {5, 6}}, 5, 4},
      {"two of four are", 300, {{2, 5}, {3, 250}, {4, 4}, {5, 260}}, 5, 0},
      {"alone", 300, {}, 1, 0},
      {"two stores need each other", 300, {{2, 5}}, 2, 0},
  };
  for (const Case &one : cases) {
    std::vector<FollowerTime> followers;
    for (const auto &[id, ms] : one.followers) followers.push_back({id, milliseconds(ms)});
    EXPECT_EQ(faster_store(milliseconds(one.own_ms), followers, one.voters), one.chosen)
        << one.what;
  }
}

TEST(HandoverRule, ActsWhenItLastsAndSeldom) {
  HandoverRule rule;
  const auto at = [&](int ms, uint64_t faster) {
    return rule.decide(start + milliseconds(ms), faster);
  };
  EXPECT_EQ(at(0, 2), 0u);
  EXPECT_EQ(at(1999, 2), 0u);
  EXPECT_EQ(at(1999, 0), 0u) << "it was fast once";
  EXPECT_EQ(at(2500, 2), 0u);
  EXPECT_EQ(at(4499, 2), 0u);
  EXPECT_EQ(at(4500, 3), 3u);
  EXPECT_EQ(at(4600, 3), 0u);
  EXPECT_EQ(at(64499, 3), 0u) << "once a minute";
  EXPECT_EQ(at(64500, 3), 3u);
}

TEST(DiskWatch, MeasuresSyncsAndAcknowledgements) {
  DiskWatch watch;
  const auto at = [](int ms) { return start + seconds(100) + milliseconds(ms); };
  EXPECT_EQ(watch.own_sync(at(0)), milliseconds(0));
  watch.sync_began(at(0));
  EXPECT_EQ(watch.own_sync(at(40)), milliseconds(40)) << "it has not ended";
  watch.sync_ended(at(300));
  EXPECT_EQ(watch.own_sync(at(400)), milliseconds(300));
  EXPECT_EQ(watch.own_sync(at(1400)), milliseconds(0)) << "it is long ago";

  watch.sent(10, at(0));
  watch.sent(20, at(10));
  watch.acknowledged(2, 9, at(11));
  EXPECT_TRUE(watch.followers(at(11)).empty()) << "of nothing that was measured";
  watch.acknowledged(2, 15, at(12));
  ASSERT_EQ(watch.followers(at(12)).size(), 1u);
  EXPECT_EQ(watch.followers(at(12))[0].acknowledgement, milliseconds(12));
  watch.acknowledged(2, 20, at(13));
  EXPECT_EQ(watch.followers(at(13))[0].acknowledgement, milliseconds(3));
  watch.acknowledged(2, 20, at(500));
  EXPECT_EQ(watch.followers(at(500))[0].acknowledgement, milliseconds(3)) << "the same again";
  EXPECT_TRUE(watch.followers(at(1100)).empty()) << "it is long ago";
  watch.forget();
  EXPECT_TRUE(watch.followers(at(500)).empty());
}

}  // namespace
}  // namespace kvd
