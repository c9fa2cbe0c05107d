// SPDX-License-Identifier: Apache-2.0
// A hash table from keys to values that were put or removed.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "sip_hash.h"

namespace kvd {

// What is slow about a table of many keys is memory that is in no cache. So a search reads a place
// in an array, which has the hash, and then one record, which has the key and the value together.
class KeyTable {
 public:
  using Value = std::optional<std::string_view>;  // nullopt: removed

  class Record {
   public:
    std::string_view key() const { return {bytes(), key_size_}; }
    Value value() const {
      return present_ ? Value({bytes() + key_size_, value_size_}) : std::nullopt;
    }
    size_t value_bytes() const { return value_size_; }

   private:
    friend class KeyTable;
    struct Free {
      void operator()(Record *record) const;
    };

    static std::unique_ptr<Record, Free> make(std::string_view key, const Value &value);
    bool assign(const Value &value);  // false: there is no room, or far too much
    char *bytes() { return reinterpret_cast<char *>(this + 1); }
    const char *bytes() const { return reinterpret_cast<const char *>(this + 1); }

    bool present_ = false;
    size_t key_size_ = 0;
    size_t value_size_ = 0;
    size_t value_capacity_ = 0;
  };

  // The hash of a key, for a search in several tables. Its key is the process's own: clients cannot
  // choose keys that fall into one place.
  static size_t hash_of(std::string_view key) { return sip_hash(hash_key, key); }

  // nullptr if the key is not here. Valid until the key is put again or taken out.
  const Record *find(std::string_view key) const { return find(key, hash_of(key)); }
  const Record *find(std::string_view key, size_t hash) const;

  // Returns how many bytes the value had before; nullopt if the key is new.
  std::optional<size_t> put(std::string_view key, const Value &value);

  size_t size() const { return size_; }

  // Takes out all records of which take_out(record) is true.
  template <typename Predicate>
  void erase_if(const Predicate &take_out);
  // Calls visit(record) for each, in no order.
  template <typename Visit>
  void for_each(const Visit &visit) const;

 private:
  struct Place {
    size_t hash = 0;
    std::unique_ptr<Record, Record::Free> record;  // nullptr: empty
  };

  static const SipKey hash_key;

  size_t place_of(std::string_view key, size_t hash) const;
  void move_to(std::vector<Place> places);

  std::vector<Place> places_;  // a power of two, or none
  size_t size_ = 0;
};

template <typename Predicate>
void KeyTable::erase_if(const Predicate &take_out) {
  for (Place &place : places_) {
    if (place.record == nullptr || !take_out(std::as_const(*place.record))) continue;
    place.record.reset();
    --size_;
  }
  // A search ends at an empty place: those behind a new one must move up.
  move_to(std::vector<Place>(places_.size()));
}

template <typename Visit>
void KeyTable::for_each(const Visit &visit) const {
  for (const Place &place : places_) {
    if (place.record != nullptr) visit(std::as_const(*place.record));
  }
}

}  // namespace kvd
