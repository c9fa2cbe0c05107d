// SPDX-License-Identifier: Apache-2.0
// What is applied goes to the database later than it is applied: a crash may come at any time.
#include "checkpoint.h"

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <fstream>
#include <future>
#include <map>
#include <random>

#include "test_engine.h"

namespace kvd {
namespace {

constexpr uint64_t region_id = 1;

using Model = std::map<std::string, std::string>;

uint64_t stored_index(Engine &engine) {
  const auto state = engine.get(engine.data(), apply_state_key(region_id));
  return state ? ApplyState::decode(*state)->index : 0;
}

// All keys in the database, found by a scan; each point read has to agree with it.
Model stored_keys(Engine &engine) {
  Model found;
  const std::string from = data_key_bound(0);
  const std::string to = data_key_bound(slot_count);
  const rocksdb::Slice end(to);
  for (auto item = engine.scan(engine.data(), from, end); item->Valid(); item->Next()) {
    found.emplace(user_key_of(view_of(item->key())), view_of(item->value()));
  }
  StoredKeys keys(engine);
  for (int k = 0; k < 20; ++k) {
    const std::string key = std::to_string(k);
    EXPECT_EQ(keys.contains(key), found.count(key) == 1) << key;
    if (const auto value = keys.get(key)) {
      EXPECT_EQ(*value, found[key]);
    }
  }
  return found;
}

// What threads hand to the loop comes at any time: until then it is out of work.
template <typename Condition>
void run_until(asio::io_context &loop, const Condition &condition) {
  while (!condition()) {
    loop.restart();
    loop.run_one_for(std::chrono::milliseconds(5));
  }
}

TEST(KeySpace, ChangesAreVisibleOnTheirWay) {
  TestEngine engine;
  KeySpace keys(*engine);
  keys.put("a", "1");
  keys.put("b", "1");
  const auto first = keys.take_recent();
  EXPECT_EQ(keys.recent_bytes(), 0u);
  keys.put("a", "2");
  const auto second = keys.take_recent();
  keys.erase("b");
  EXPECT_EQ(keys.get("a"), "2");
  EXPECT_EQ(keys.get("b"), std::nullopt);
  store_as_file(*engine, region_id, *first, {1, 1, ""});
  keys.stored(first);
  EXPECT_EQ(keys.get("a"), "2");
  store_in_memory(*engine, region_id, *second, {2, 1, ""});
  keys.stored(second);
  EXPECT_EQ(keys.get("a"), "2");
  EXPECT_EQ(keys.get("b"), std::nullopt);
  keys.clear(SlotRange{});
  EXPECT_EQ(keys.get("a"), std::nullopt) << "and not what is in the database";
  keys.put("b", "3");
  EXPECT_EQ(keys.get("b"), "3");
  keys.forget();
  EXPECT_EQ(keys.get("a"), "2");
  EXPECT_EQ(keys.get("b"), "1");
}

TEST(KeySpace, MemoryIsCounted) {
  Changes changes;
  changes.put("key", std::string(1000, 'x'));
  const size_t one = changes.bytes();
  EXPECT_GT(one, 1000u);
  changes.put("key", std::string(1000, 'y'));
  EXPECT_EQ(changes.bytes(), one);
  changes.put("other", "");
  changes.erase("key");
  EXPECT_LT(changes.bytes(), one);
  changes.clear(SlotRange{});
  EXPECT_EQ(changes.bytes(), 0u);
  EXPECT_FALSE(changes.empty()) << "that all is cleared is a change";
}

TEST(Checkpoint, AFileClearsWhatWasBeforeAndNothingOfItsOwn) {
  TestEngine engine;
  Changes before;
  before.put("a", "1");
  before.put("b", "1");
  for (const bool as_file : {true, false}) {
    (as_file ? store_as_file : store_in_memory)(*engine, region_id, before, {1, 1, ""});
    Changes changes;
    changes.clear(SlotRange{});
    changes.put("b", "2");
    store_as_file(*engine, region_id, changes, {2, 1, ""});
    EXPECT_EQ(stored_keys(*engine), (Model{{"b", "2"}}));
    engine.crash();
    EXPECT_EQ(stored_keys(*engine), (Model{{"b", "2"}}));
    EXPECT_EQ(stored_index(*engine), 2u);
  }
}

// Applies random changes as a Peer does, with checkpoints now and then, installs snapshots, and
// crashes. Whatever applied index a crash leaves, the keys there must be those of that index; and
// it must not be less than what was said to be durable.
TEST(Checkpoint, ACrashLeavesKeysAndAppliedIndexOfOneMoment) {
  std::mt19937 random(7);
  TestEngine engine;
  auto keys = std::make_unique<KeySpace>(*engine);
  std::vector<Model> after = {{}};  // after[i]: the keys once entry i is applied
  uint64_t durable = 0;
  int lost = 0;
  const auto store = [&](bool as_file) {
    const auto changes = keys->take_recent();
    const uint64_t index = after.size() - 1;
    (as_file ? store_as_file : store_in_memory)(*engine, region_id, *changes, {index, 1, ""});
    keys->stored(changes);
    if (as_file) durable = index;
  };
  for (int round = 0; round < 400; ++round) {
    Model model = after.back();
    for (size_t i = random() % 5 + 1; i > 0; --i) {
      const std::string key = std::to_string(random() % 20);
      switch (random() % 12) {
        case 0:
        case 1:
          keys->erase(key);
          model.erase(key);
          break;
        case 2:
          keys->clear(SlotRange{});
          model.clear();
          break;
        default: keys->put(key, std::to_string(round)); model[key] = std::to_string(round);
      }
    }
    after.push_back(model);
    for (const auto &[key, value] : model) ASSERT_EQ(keys->get(key), value);
    switch (random() % 12) {
      case 0: store(true); break;
      case 1: store(false); break;
      case 2: {
        // A snapshot of other keys: through the write-ahead log.
        Model other = {{"snapshot", std::to_string(round)}, {"3", "x"}};
        rocksdb::WriteBatch batch;
        batch.DeleteRange(engine->data(), data_key_bound(0), data_key_bound(slot_count));
        std::string data_key;
        for (const auto &[key, value] : other) {
          make_data_key(data_key, slot_of(key), key);
          batch.Put(engine->data(), data_key, value);
        }
        durable = after.size();
        batch.Put(engine->data(), apply_state_key(region_id), ApplyState{durable, 1, ""}.encode());
        engine->write(batch, true);
        keys->forget();
        after.push_back(other);
        break;
      }
      case 3: {
        if (random() % 3 != 0) break;
        keys.reset();
        engine.crash();
        const uint64_t index = stored_index(*engine);
        ASSERT_GE(index, durable) << "round " << round;
        ASSERT_LT(index, after.size());
        ASSERT_EQ(stored_keys(*engine), after[index]) << "round " << round;
        // The log would apply the rest again; here it is forgotten.
        if (index + 1 < after.size()) ++lost;
        after.resize(index + 1);
        keys = std::make_unique<KeySpace>(*engine);
        break;
      }
      default: break;
    }
  }
  EXPECT_GT(lost, 3) << "crashes that lose something are the point";
}

TEST(Checkpoint, WhatIsAbandonedNeverReachesTheDatabase) {
  TestEngine engine;
  KeySpace keys(*engine);
  asio::io_context loop;
  uint64_t durable = 0;
  int done = 0;
  std::promise<void> go_on;
  {
    Background thread(loop);
    Checkpoints checkpoints(*engine, thread, region_id, keys,
                            [&](uint64_t index) { durable = index; });
    thread.run([&] { return go_on.get_future().get(), true; }, [](bool) {});
    keys.put("a", "1");
    checkpoints.start({1, 1, ""});
    keys.put("a", "2");
    checkpoints.show({2, 1, ""}, [&] { ++done; });
    EXPECT_TRUE(checkpoints.running());
    checkpoints.abandon();
    keys.forget();
    go_on.set_value();
    run_until(loop, [&] { return done == 1; });
    EXPECT_FALSE(checkpoints.running());
    EXPECT_EQ(durable, 0u);
    EXPECT_TRUE(stored_keys(*engine).empty());
    // And the next one does.
    keys.put("a", "3");
    checkpoints.start({3, 1, ""});
    run_until(loop, [&] { return !checkpoints.running(); });
  }
  EXPECT_EQ(durable, 3u);
  EXPECT_EQ(stored_keys(*engine), (Model{{"a", "3"}}));
}

TEST(Checkpoint, ShowingMakesDurableOnlyWhatIsLarge) {
  TestEngine engine;
  KeySpace keys(*engine);
  asio::io_context loop;
  uint64_t durable = 0;
  bool done = false;
  Background thread(loop);
  Checkpoints checkpoints(*engine, thread, region_id, keys,
                          [&](uint64_t index) { durable = index; });
  const auto show = [&](uint64_t index) {
    done = false;
    checkpoints.show({index, 1, ""}, [&] { done = true; });
    run_until(loop, [&] { return done; });
  };
  keys.put("a", "1");
  show(1);
  EXPECT_EQ(stored_keys(*engine), (Model{{"a", "1"}}));
  EXPECT_EQ(durable, 0u);
  show(1);  // nothing to do
  keys.put("b", std::string(2 << 20, 'x'));
  show(2);
  EXPECT_EQ(stored_keys(*engine).size(), 2u);
  EXPECT_EQ(durable, 2u);
  engine.crash();
  EXPECT_EQ(stored_index(*engine), 2u);
  EXPECT_EQ(stored_keys(*engine).size(), 2u) << "what was stored before it is durable, too";
}

TEST(Checkpoint, HalfWrittenFilesAreRemovedAtTheNextStart) {
  TestEngine engine;
  const std::string leftover = engine.directory() + "/incoming/77.sst";
  std::ofstream(leftover) << "half";
  engine.reopen();
  EXPECT_FALSE(std::filesystem::exists(leftover));
  EXPECT_TRUE(stored_keys(*engine).empty());
}

}  // namespace
}  // namespace kvd
