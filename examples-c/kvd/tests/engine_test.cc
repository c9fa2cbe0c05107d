// SPDX-License-Identifier: Apache-2.0
// What a database refuses to start with.
#include "engine.h"

#include <gtest/gtest.h>

#include <fstream>

#include "data_file.h"
#include "test_engine.h"
#include "witness.h"

namespace kvd {
namespace {

constexpr int records = 300;

// Files of a database whose log has many records, as a process leaves it that is killed.
class DamagedLog : public testing::Test {
 protected:
  DamagedLog() {
    for (int i = 0; i < records; ++i) {
      rocksdb::WriteBatch batch;
      batch.Put(engine_->raft(), log_key(1, static_cast<uint64_t>(i)), std::string(100, 'x'));
      engine_->write(batch, true);
    }
    directory_ = engine_.directory() + "-damaged";
    std::filesystem::copy(engine_.directory(), directory_,
                          std::filesystem::copy_options::recursive);
  }
  ~DamagedLog() override { std::filesystem::remove_all(directory_); }

  std::string log() const {
    for (const auto &entry : std::filesystem::directory_iterator(directory_)) {
      if (entry.path().extension() == ".log") return entry.path().string();
    }
    ADD_FAILURE() << "no log in " << directory_;
    return "";
  }
  std::uintmax_t size() const { return std::filesystem::file_size(log()); }

  void flip_bit_at(std::uintmax_t offset) const {
    std::fstream file(log(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const char byte = static_cast<char>(file.get() ^ 4);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(byte);
  }

  void open() const { Engine::open(directory_, "test", 1); }

  TestEngine engine_;
  std::string directory_;
};

TEST_F(DamagedLog, AFlippedBitIsNotTakenForTheEnd) {
  // In the first record, in one in the middle and in the last: in its payload.
  for (const std::uintmax_t offset : {std::uintmax_t{40}, size() / 2, size() - 20}) {
    flip_bit_at(offset);
    EXPECT_EXIT(open(), testing::ExitedWithCode(1), "cannot open the database") << offset;
    flip_bit_at(offset);
  }
  open();
}

TEST_F(DamagedLog, AnIncompleteEndIsNoDamage) {
  std::filesystem::resize_file(log(), size() - 20);
  const auto engine = Engine::open(directory_, "test", 1);
  EXPECT_TRUE(engine->get(engine->raft(), log_key(1, records - 2)));
  EXPECT_FALSE(engine->get(engine->raft(), log_key(1, records - 1)));
}

TEST(Engine, IsNotMadeUnlessAClusterMayBegin) {
  TestEngine engine;
  const std::string empty = engine.directory() + "/empty";
  EXPECT_EXIT(Engine::open(empty, "test", 1, false), testing::ExitedWithCode(1), "--bootstrap");
  Engine::open(empty, "test", 1, true).reset();
  const auto again = Engine::open(empty, "test", 1, false);
  EXPECT_EQ(again->identity().disk.size(), identity_bytes);
  EXPECT_NE(again->identity().disk, engine->identity().disk);
}

TEST(Engine, IsNotMadeBesideAWitness) {
  TestEngine engine;
  const std::string directory = engine.directory() + "/wiped";
  std::filesystem::create_directory(directory);
  Witness(directory, 1, 1).write({7, 1, 100});
  EXPECT_EXIT(Engine::open(directory, "test", 1, true), testing::ExitedWithCode(1), "lost data");
}

TEST(Engine, EstimatesItsBytes) {
  TestEngine engine;
  DataFile file(*engine);
  for (int i = 0; i < 100; ++i) {
    std::string key;
    make_data_key(key, 5, std::to_string(100 + i));
    file.put(key, std::string(10000, 'x'));
  }
  file.finish();
  file.add_to_database();
  EXPECT_GE(engine->estimated_bytes(), 1000000u);
  EXPECT_LT(engine->estimated_bytes(), 1100000u);
}

TEST(Engine, ThatWasGivenUpStaysSo) {
  TestEngine engine;
  const std::string directory = engine.directory() + "/lost";
  Engine::open(directory, "test", 1)->give_up("it lost data.");
  EXPECT_EXIT(Engine::open(directory, "test", 1), testing::ExitedWithCode(1),
              "it lost data. It must not come back");
}

TEST(Engine, BelongsToOneStoreOfOneCluster) {
  TestEngine engine;
  const std::string directory = engine.directory() + "/other";
  Engine::open(directory, "test", 1).reset();
  EXPECT_EXIT(Engine::open(directory, "test", 2), testing::ExitedWithCode(1), "belongs to store 1");
  EXPECT_EXIT(Engine::open(directory, "else", 1), testing::ExitedWithCode(1), "cluster 'test'");
  EXPECT_NE(Engine::open(directory, "test", 1), nullptr);
}

}  // namespace
}  // namespace kvd
