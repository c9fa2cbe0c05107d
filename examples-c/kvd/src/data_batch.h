// SPDX-License-Identifier: Apache-2.0
// What a turn of the loop changes in the key space, on its way into the Store's write batch.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine.h"
#include "slot.h"

namespace kvd {

// Collects changes in a RocksDB write batch and answers reads as if they were written already: a
// write that depends on an older one of the same turn sees it. No other batch may be on its way to
// the engine meanwhile.
class DataBatch {
 public:
  DataBatch(Engine &engine, rocksdb::WriteBatch &batch) : engine_(engine), batch_(batch) {}

  // `key` and `value` must stay where they are as long as this object lives.
  void put(std::string_view key, std::string_view value);
  // The same for a value that has no other home.
  void put_owned(std::string_view key, std::string value);
  void erase(std::string_view key);
  // Removes every key of these slots.
  void clear(SlotRange slots);

  // The value of `key`, valid until the next call.
  std::optional<std::string_view> get(std::string_view key);
  bool contains(std::string_view key) { return get(key).has_value(); }

 private:
  struct Change {
    std::string_view key;
    std::optional<std::string_view> value;
  };

  void remember(std::string_view key, std::optional<std::string_view> value);
  void index_changes();

  Engine &engine_;
  rocksdb::WriteBatch &batch_;
  // Most batches are written without a read, so changes are indexed only when one comes.
  std::vector<Change> changes_;
  size_t indexed_ = 0;
  std::unordered_map<std::string_view, std::optional<std::string_view>> latest_;
  std::vector<SlotRange> cleared_;
  std::deque<std::string> owned_;
  std::string data_key_;
  rocksdb::PinnableSlice stored_;
};

}  // namespace kvd
