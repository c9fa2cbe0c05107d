// SPDX-License-Identifier: Apache-2.0
#include "registry.h"

#include <gtest/gtest.h>

#include "test_engine.h"
#include "write_command.h"

namespace kvd {
namespace {

const std::string birth(16, 'b');
const std::string other_birth(16, 'c');
const std::string disk_1(16, '1');
const std::string disk_2(16, '2');

StoreFacts facts(const std::string &of_birth, const std::string &disk,
                 std::vector<uint64_t> members = {1, 2, 3}) {
  return {of_birth, disk, std::move(members), 1, 1000};
}

struct Case {
  const char *what;
  StoreFacts own;
  uint64_t their_id;
  StoreFacts theirs;
  std::optional<KnownStore> known;
  Admission admission;
};

TEST(Registry, WhoIsAdmitted) {
  const KnownStore known{disk_2, 1};
  const std::vector<Case> cases = {
      {"two stores of a new cluster",
       facts("", disk_1),
       2,
       facts("", disk_2),
       {},
       Admission::accept},
      {"they were told of different stores",
       facts("", disk_1),
       2,
       facts("", disk_2, {1, 2}),
       {},
       Admission::refuse},
      {"the first store has begun",
       facts("", disk_1),
       1,
       facts(birth, disk_2),
       {},
       Admission::begin},
      {"the first store has begun with others",
       facts("", disk_1),
       1,
       facts(birth, disk_2, {1, 2, 3, 4, 5}),
       {},
       Admission::refuse},
      {"another store has begun", facts("", disk_1), 2, facts(birth, disk_2), {}, Admission::wait},
      {"both are of the cluster",
       facts(birth, disk_1),
       2,
       facts(birth, disk_2),
       {},
       Admission::accept},
      {"and met before", facts(birth, disk_1), 2, facts(birth, disk_2), known, Admission::accept},
      {"it is of another cluster",
       facts(birth, disk_1),
       2,
       facts(other_birth, disk_2),
       {},
       Admission::refuse},
      {"and was not before", facts(birth, disk_1), 2, facts(other_birth, disk_2), known,
       Admission::refuse},
      {"it has not begun yet", facts(birth, disk_1), 2, facts("", disk_2), known, Admission::wait},
      {"it came back empty", facts(birth, disk_1), 2, facts("", std::string(16, 'x')), known,
       Admission::refuse},
      {"it came back with another directory", facts(birth, disk_1), 2,
       facts(birth, std::string(16, 'x')), known, Admission::refuse},
  };
  for (const Case &one : cases) {
    const Verdict verdict = judge(one.own, one.their_id, one.theirs, one.known);
    EXPECT_EQ(verdict.admission, one.admission) << one.what;
    const bool refuses = one.admission == Admission::refuse || one.admission == Admission::wait;
    EXPECT_EQ(!verdict.reason.empty(), refuses) << one.what;
  }
}

Config config_of(uint64_t id, uint64_t members) {
  Config config;
  config.id = id;
  for (uint64_t member = 1; member <= members; ++member) config.members.push_back({member, {}, {}});
  return config;
}

// A store with its database.
struct Subject {
  explicit Subject(uint64_t members, uint64_t id = 1) : config(config_of(id, members)) { start(); }
  void start() {
    registry = std::make_unique<Registry>(
        *engine, config, [](rocksdb::WriteBatch &) {}, [this] { ++begun; });
  }
  void restart() {
    registry.reset();
    engine.reopen();
    start();
  }

  TestEngine engine;
  Config config;
  int begun = 0;
  std::unique_ptr<Registry> registry;
};

TEST(Registry, AClusterBeginsWhenAllAreThere) {
  Subject store(3);
  EXPECT_EQ(store.registry->meet(2, facts("", disk_2)).admission, Admission::accept);
  EXPECT_EQ(store.registry->meet(2, facts("", disk_2)).admission, Admission::accept);
  EXPECT_FALSE(store.registry->is_member());
  store.registry->meet(3, facts("", disk_1));
  EXPECT_TRUE(store.registry->is_member());
  EXPECT_EQ(store.begun, 1);
  // It stays so, and knows the disks that it began with.
  store.restart();
  const std::string own_birth = store.registry->facts().birth;
  EXPECT_EQ(own_birth.size(), identity_bytes);
  EXPECT_EQ(store.registry->meet(2, facts("", disk_1)).admission, Admission::refuse);
  EXPECT_EQ(store.registry->meet(2, facts("", disk_2)).admission, Admission::wait);
  EXPECT_EQ(store.registry->meet(2, facts(own_birth, disk_2)).admission, Admission::accept);
}

TEST(Registry, NothingBeginsBesideAClusterThatHasBegun) {
  Subject store(3);
  store.registry->meet(2, facts("", disk_2));
  EXPECT_EQ(store.registry->meet(3, facts(birth, disk_1)).admission, Admission::wait);
  EXPECT_FALSE(store.registry->is_member());
}

TEST(Registry, OnlyTheFirstStoreDrawsTheBirthId) {
  Subject store(3, 2);
  store.registry->meet(1, facts("", disk_1));
  store.registry->meet(3, facts("", disk_2));
  EXPECT_FALSE(store.registry->is_member());
  EXPECT_EQ(store.registry->meet(1, facts(birth, disk_1)).admission, Admission::begin);
  EXPECT_EQ(store.registry->facts().birth, birth);
  EXPECT_EQ(store.begun, 1);
}

TEST(Registry, AStoreAloneBeginsAtOnce) {
  Subject alone(1);
  alone.registry->begin_alone();
  EXPECT_TRUE(alone.registry->is_member());
  Subject of_three(3);
  of_three.registry->begin_alone();
  EXPECT_FALSE(of_three.registry->is_member());
}

// No entry is written that some member cannot read.
TEST(Registry, EntriesAreOfAVersionThatAllHaveAnnounced) {
  Subject store(3);
  store.registry->meet(2, {"", disk_2, {1, 2, 3}, write_entry_version + 1, 1000});
  store.registry->meet(3, {"", disk_1, {1, 2, 3}, write_entry_version, 1000});
  EXPECT_EQ(store.registry->entry_version_of({1, 2, 3}), uint64_t{write_entry_version});
  EXPECT_EQ(store.registry->entry_version_of({1, 2, 3, 4}), 1u) << "4 has announced nothing";
  store.registry->meet(3, {store.registry->facts().birth, disk_1, {1, 2, 3}, 0, 1000});
  EXPECT_EQ(store.registry->entry_version_of({1, 2, 3}), 0u);
  store.restart();
  EXPECT_EQ(store.registry->entry_version_of({1, 2, 3}), 0u);
  EXPECT_EQ(store.registry->entry_version_of({1, 2}), uint64_t{write_entry_version});
}

TEST(Identity, RoundTrips) {
  const StoreIdentity identity{"cluster", 7, disk_1, birth};
  const auto decoded = StoreIdentity::decode(identity.encode());
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->encode(), identity.encode());
  EXPECT_FALSE(StoreIdentity::decode(identity.encode() + "x"));
  EXPECT_FALSE(StoreIdentity::decode(identity.encode().substr(0, 20)));
}

// What the first version wrote.
TEST(Identity, OfAnOlderVersionHasNeitherBirthNorDisk) {
  const auto old = StoreIdentity::decode(std::string("\x03kvd\x02", 5));
  ASSERT_TRUE(old);
  EXPECT_EQ(old->cluster_id, "kvd");
  EXPECT_EQ(old->store_id, 2u);
  EXPECT_EQ(old->disk + old->birth, "");
}

TEST(Identity, StoresOfAnOldClusterComeToTheSameBirthId) {
  EXPECT_EQ(birth_of_old_cluster("kvd", {1, 2, 3}), birth_of_old_cluster("kvd", {1, 2, 3}));
  EXPECT_NE(birth_of_old_cluster("kvd", {1, 2, 3}), birth_of_old_cluster("kvd", {1, 2, 3, 4, 5}));
  EXPECT_NE(birth_of_old_cluster("kvd", {1, 2, 3}), birth_of_old_cluster("dvk", {1, 2, 3}));
  EXPECT_EQ(birth_of_old_cluster("kvd", {1}).size(), identity_bytes);
}

}  // namespace
}  // namespace kvd
