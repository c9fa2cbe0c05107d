// SPDX-License-Identifier: Apache-2.0
// The keys of a Region: those in the database, and over them, in memory, what was applied since.
//
// The Raft log is the key space's write-ahead log: what the database lacks after a crash is applied
// again from there. So changes are collected in memory, the newest of each key, and carried to the
// database now and then (checkpoint.h).
#pragma once

#include <rocksdb/slice.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine.h"
#include "key_table.h"
#include "slot.h"

namespace kvd {

// Keys as of one moment.
class KeyReader {
 public:
  virtual ~KeyReader() = default;
  // The value of `key`, valid until the next call.
  virtual std::optional<std::string_view> get(std::string_view key) = 0;
  bool contains(std::string_view key) { return get(key).has_value(); }
};

// What is in the database.
class StoredKeys : public KeyReader {
 public:
  explicit StoredKeys(Engine &engine) : engine_(engine), moment_(&engine.db()) {}
  std::optional<std::string_view> get(std::string_view key) override;

 private:
  Engine &engine_;
  rocksdb::ManagedSnapshot moment_;
  std::string data_key_;
  rocksdb::PinnableSlice value_;
};

// Changes to keys: cleared ranges of slots, and then the newest value of each key that was written.
class Changes {
 public:
  using Value = KeyTable::Value;  // nullopt: removed

  void put(std::string_view key, std::string_view value);
  void erase(std::string_view key);
  void clear(SlotRange slots);

  // What became of `key`; nullopt if nothing did. Valid until the next change.
  std::optional<Value> find(std::string_view key, size_t hash) const;

  size_t keys() const { return latest_.size(); }
  bool empty() const { return latest_.size() == 0 && cleared_.empty(); }
  // About the memory that they take.
  size_t bytes() const { return bytes_; }

  const std::vector<SlotRange> &cleared() const { return cleared_; }
  // Calls visit(data key, value) for each key, in the order of the database.
  template <typename Visit>
  void for_each(const Visit &visit) const;

 private:
  struct Place {
    uint16_t slot;
    const KeyTable::Record *record;
  };

  void set(std::string_view key, const Value &value);
  std::vector<Place> sorted() const;

  KeyTable latest_;
  std::vector<SlotRange> cleared_;
  size_t bytes_ = 0;
};

class KeySpace : public KeyReader {
 public:
  explicit KeySpace(Engine &engine) : engine_(engine) {}

  std::optional<std::string_view> get(std::string_view key) override;
  void put(std::string_view key, std::string_view value) { recent_.put(key, value); }
  void erase(std::string_view key) { recent_.erase(key); }
  void clear(SlotRange slots) { recent_.clear(slots); }

  // About the memory that changes take which are not on their way to the database.
  size_t recent_bytes() const { return recent_.bytes(); }

  size_t recent_keys() const { return recent_.keys(); }

  // The changes since the last call, which are to be carried to the database now, in this order.
  // They stay visible here.
  std::shared_ptr<const Changes> take_recent();
  // These changes, and all that were taken before, are in the database.
  void stored(const std::shared_ptr<const Changes> &changes);

  // Forgets all changes that are not in the database.
  void forget();

 private:
  Engine &engine_;
  Changes recent_;
  // Oldest first. The first of them may be in the database: it is kept as a cache, until newer ones
  // are there, too.
  std::deque<std::shared_ptr<const Changes>> taken_;
  std::string data_key_;
  rocksdb::PinnableSlice stored_;
};

template <typename Visit>
void Changes::for_each(const Visit &visit) const {
  std::string data_key;
  for (const Place &place : sorted()) {
    make_data_key(data_key, place.slot, place.record->key());
    visit(std::string_view(data_key), place.record->value());
  }
}

}  // namespace kvd
