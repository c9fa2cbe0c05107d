// SPDX-License-Identifier: Apache-2.0
#include "witness.h"

#include <gtest/gtest.h>

#include <fstream>

#include "loss_claims.h"
#include "test_engine.h"

namespace kvd {
namespace {

TEST(Witness, KnowsWhatIsLost) {
  const WitnessRecord seen{5, 2, 100};
  EXPECT_EQ(lost_since(seen, {5, 2, 100}), "");
  EXPECT_EQ(lost_since(seen, {5, 2, 101}), "");
  EXPECT_EQ(lost_since(seen, {6, 0, 100}), "");
  EXPECT_EQ(lost_since({5, 0, 100}, {5, 3, 100}), "");
  EXPECT_NE(lost_since(seen, {4, 2, 100}), "");
  EXPECT_NE(lost_since(seen, {5, 0, 100}), "");
  EXPECT_NE(lost_since(seen, {5, 3, 100}), "");
  EXPECT_NE(lost_since(seen, {5, 2, 99}), "");
  EXPECT_NE(lost_since(seen, {9, 2, 99}), "");
}

class WitnessFile : public testing::Test {
 protected:
  WitnessFile() : directory_(tests_directory() + "/XXXXXX") {
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
  }
  ~WitnessFile() override { std::filesystem::remove_all(directory_); }

  // What a process that was killed now leaves.
  std::optional<WitnessRecord> left() const { return Witness(directory_, 1, 1).record(); }
  std::string path() const { return directory_ + "/witness-1"; }

  std::string directory_;
};

TEST_F(WitnessFile, IsThereAfterARestart) {
  EXPECT_FALSE(Witness::exists_in(directory_));
  EXPECT_EQ(left(), std::nullopt);
  EXPECT_TRUE(Witness::exists_in(directory_));
  for (uint64_t i = 1; i < 5; ++i) {
    const WitnessRecord record{i, 2, 10 * i};
    Witness(directory_, 1, 1).write(record);
    EXPECT_EQ(left(), record);
  }
}

TEST_F(WitnessFile, TermAndVoteAreWrittenAtOnceAndTheLastIndexLater) {
  Witness witness(directory_, 1, 1);
  witness.write({1, 0, 1});
  witness.after_write({2, 0, 1});
  EXPECT_EQ(left(), (WitnessRecord{2, 0, 1}));
  witness.after_write({2, 3, 5});
  EXPECT_EQ(left(), (WitnessRecord{2, 3, 5}));
  witness.before_write({2, 3, 9});
  EXPECT_EQ(left(), (WitnessRecord{2, 3, 5})) << "not before it is durable";
  witness.after_write({2, 3, 9});
  witness.catch_up();
  EXPECT_EQ(left(), (WitnessRecord{2, 3, 9}));
}

TEST_F(WitnessFile, IsNeverAheadOfALogThatGetsShorter) {
  Witness witness(directory_, 1, 1);
  witness.write({2, 3, 100});
  witness.before_write({4, 1, 60});
  EXPECT_EQ(left(), (WitnessRecord{2, 3, 60})) << "the new term is not durable yet";
  witness.after_write({4, 1, 60});
  EXPECT_EQ(left(), (WitnessRecord{4, 1, 60}));
  witness.after_write({4, 1, 90});
  witness.before_write({4, 1, 70});
  witness.catch_up();
  EXPECT_LE(left()->last_index, 70u) << "what was put off is out of date";
}

TEST_F(WitnessFile, ATornWriteLeavesTheRecordBefore) {
  Witness(directory_, 1, 1).write({1, 0, 1});
  Witness(directory_, 1, 1).write({2, 0, 2});
  for (const std::streamoff block : {0, 4096}) {
    std::fstream(path()).seekp(block + 20).put('\x7f');
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    if (block == 0) {
      EXPECT_EQ(left(), (WitnessRecord{1, 0, 1}));
    } else {
      EXPECT_EXIT(left(), testing::ExitedWithCode(1), "damaged");
    }
  }
}

TEST_F(WitnessFile, ZerosAreNotTakenForNothing) {
  Witness(directory_, 1, 1).write({1, 0, 1});
  const auto size = std::filesystem::file_size(path());
  std::ofstream(path(), std::ios::trunc) << std::string(size, '\0');
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(left(), testing::ExitedWithCode(1), "damaged");
}

TEST_F(WitnessFile, OfAnotherStoreOrRegionIsRefused) {
  Witness(directory_, 2, 1).write({1, 0, 1});
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(left(), testing::ExitedWithCode(1), "that of store 2, region 1");
  std::filesystem::remove(path());
  Witness(directory_, 1, 7).write({1, 0, 1});
  std::filesystem::rename(directory_ + "/witness-7", path());
  EXPECT_EXIT(left(), testing::ExitedWithCode(1), "that of store 1, region 7");
}

TEST(LossClaims, AreBelievedWhenTheyComeAgainOverNewConnections) {
  LossClaims claims;
  EXPECT_FALSE(claims.note({2, 1}));
  EXPECT_FALSE(claims.note({2, 1})) << "the same connection";
  EXPECT_FALSE(claims.note({2, 2}));
  EXPECT_TRUE(claims.note({2, 3}));
}

TEST(LossClaims, ThatDoNotLastAreForgotten) {
  LossClaims claims;
  EXPECT_FALSE(claims.note({2, 1}));
  EXPECT_FALSE(claims.note({2, 2}));
  claims.clear(3);
  claims.clear(2);
  EXPECT_FALSE(claims.note({2, 3}));
  EXPECT_FALSE(claims.note({2, 4}));
  EXPECT_FALSE(claims.note({1, 5})) << "another store begins anew";
  EXPECT_FALSE(claims.note({2, 6}));
  EXPECT_FALSE(claims.note({2, 7}));
  EXPECT_TRUE(claims.note({2, 8}));
}

}  // namespace
}  // namespace kvd
