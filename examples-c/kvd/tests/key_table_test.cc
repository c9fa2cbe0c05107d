// SPDX-License-Identifier: Apache-2.0
#include "key_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace kvd {
namespace {

using Model = std::map<std::string, std::optional<std::string>>;

Model contents(const KeyTable &table) {
  Model found;
  table.for_each([&](const KeyTable::Record &record) {
    EXPECT_TRUE(found.emplace(record.key(), record.value()).second) << record.key();
  });
  return found;
}

TEST(KeyTable, PutSaysWhatWasThere) {
  KeyTable table;
  EXPECT_EQ(table.find("a"), nullptr);
  EXPECT_EQ(table.put("a", "four"), std::nullopt);
  EXPECT_EQ(table.put("a", "longer than that"), std::optional<size_t>(4));
  EXPECT_EQ(table.put("a", std::nullopt), std::optional<size_t>(16));
  EXPECT_EQ(table.find("a")->value(), std::nullopt);
  EXPECT_EQ(table.put("a", ""), std::optional<size_t>(0));
  EXPECT_EQ(table.find("a")->value(), "");
  EXPECT_EQ(table.put("", "no key"), std::nullopt);
  EXPECT_EQ(table.find("")->value(), "no key");
  EXPECT_EQ(table.size(), 2u);
}

TEST(KeyTable, AValueMayBePutInItsOwnPlace) {
  KeyTable table;
  const std::string large(2000, 'x');
  for (const std::string &value : {std::string("small"), large}) {
    table.put("key", value);
    table.put("key", table.find("key")->value());
    EXPECT_EQ(table.find("key")->value(), value);
    // A part of it: the room is that of the whole, or a new one.
    table.put("key", table.find("key")->value()->substr(2));
    EXPECT_EQ(table.find("key")->value(), value.substr(2));
  }
}

TEST(KeyTable, DoesWhatAMapDoes) {
  std::mt19937 random(1);
  for (int run = 0; run < 20; ++run) {
    KeyTable table;
    Model model;
    const unsigned keys = 1u << (run % 10 + 1);
    for (int step = 0; step < 3000; ++step) {
      const std::string key = std::to_string(random() % keys);
      if (random() % 500 == 0) {
        const char last = static_cast<char>('0' + random() % 10);
        table.erase_if([=](const KeyTable::Record &record) { return record.key().back() == last; });
        std::erase_if(model, [=](const auto &item) { return item.first.back() == last; });
      }
      std::optional<std::string> value;
      if (random() % 4 != 0) value.emplace(random() % 700, static_cast<char>('a' + step % 26));
      const auto known = model.find(key);
      const auto before = table.put(key, value ? KeyTable::Value(*value) : std::nullopt);
      EXPECT_EQ(before.has_value(), known != model.end());
      if (before) {
        EXPECT_EQ(*before, known->second.value_or("").size());
      }
      model[key] = value;
      EXPECT_EQ(table.size(), model.size());
    }
    EXPECT_EQ(contents(table), model);
    for (unsigned i = 0; i < keys; ++i) {
      const std::string key = std::to_string(i);
      const auto known = model.find(key);
      const KeyTable::Record *found = table.find(key);
      ASSERT_EQ(found != nullptr, known != model.end()) << key;
      if (found != nullptr) {
        EXPECT_EQ(found->value(), known->second);
      }
    }
  }
}

}  // namespace
}  // namespace kvd
