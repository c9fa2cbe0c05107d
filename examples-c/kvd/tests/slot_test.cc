// SPDX-License-Identifier: Apache-2.0
#include "slot.h"

#include <gtest/gtest.h>

namespace kvd {
namespace {

// From the specification of Redis Cluster, and CLUSTER KEYSLOT of a Redis server.
TEST(Slot, IsRedisClusters) {
  EXPECT_EQ(slot_of("123456789"), 0x31c3);
  EXPECT_EQ(slot_of("foo"), 12182);
  EXPECT_EQ(slot_of("somekey"), 11058);
  EXPECT_EQ(slot_of(""), 0);
}

TEST(Slot, HashTagsDecide) {
  EXPECT_EQ(slot_of("{user1000}.following"), slot_of("{user1000}.followers"));
  EXPECT_EQ(slot_of("foo{hash_tag}"), 2515);
  EXPECT_EQ(slot_of("foo{{bar}}zap"), slot_of("{bar"));
  EXPECT_EQ(slot_of("foo{bar}{zap}"), slot_of("bar"));
  // An empty tag is none.
  EXPECT_NE(slot_of("foo{}{bar}"), slot_of("bar"));
  EXPECT_NE(slot_of("foo{bar"), slot_of("bar"));
}

}  // namespace
}  // namespace kvd
