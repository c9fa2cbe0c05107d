// SPDX-License-Identifier: Apache-2.0
#include "key_table.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace kvd {
namespace {

constexpr size_t first_places = 16;

// A value that is that much smaller than its room gets one that fits.
constexpr size_t kept_room = 256;

// It may be copied onto itself; and nothing at all may have no address.
void copy(char *to, std::string_view from) {
  if (!from.empty()) std::memmove(to, from.data(), from.size());
}

}  // namespace

const SipKey KeyTable::hash_key = SipKey::random();

void KeyTable::Record::Free::operator()(Record *record) const { ::operator delete(record); }

std::unique_ptr<KeyTable::Record, KeyTable::Record::Free> KeyTable::Record::make(
    std::string_view key, const Value &value) {
  const size_t capacity = value ? value->size() : 0;
  void *memory = ::operator new(sizeof(Record) + key.size() + capacity);
  std::unique_ptr<Record, Free> record(new (memory) Record);
  record->key_size_ = key.size();
  record->value_capacity_ = capacity;
  copy(record->bytes(), key);
  record->assign(value);
  return record;
}

bool KeyTable::Record::assign(const Value &value) {
  const size_t size = value ? value->size() : 0;
  if (size > value_capacity_ || value_capacity_ - size > std::max(size, kept_room)) return false;
  present_ = value.has_value();
  value_size_ = size;
  if (value) copy(bytes() + key_size_, *value);
  return true;
}

// Where the key is, or the empty place where it would go. There must be one.
size_t KeyTable::place_of(std::string_view key, size_t hash) const {
  const size_t mask = places_.size() - 1;
  size_t at = hash & mask;
  while (places_[at].record != nullptr &&
         (places_[at].hash != hash || places_[at].record->key() != key)) {
    at = (at + 1) & mask;
  }
  return at;
}

const KeyTable::Record *KeyTable::find(std::string_view key, size_t hash) const {
  return places_.empty() ? nullptr : places_[place_of(key, hash)].record.get();
}

std::optional<size_t> KeyTable::put(std::string_view key, const Value &value) {
  if (4 * (size_ + 1) > 3 * places_.size()) {
    move_to(std::vector<Place>(std::max(first_places, 2 * places_.size())));
  }
  const size_t hash = hash_of(key);
  Place &place = places_[place_of(key, hash)];
  if (place.record == nullptr) {
    place = {hash, Record::make(key, value)};
    ++size_;
    return std::nullopt;
  }
  const size_t before = place.record->value_bytes();
  // The value may be the record's own: it is freed last.
  if (!place.record->assign(value)) place.record = Record::make(key, value);
  return before;
}

void KeyTable::move_to(std::vector<Place> places) {
  places_.swap(places);
  const size_t mask = places_.size() - 1;
  for (Place &place : places) {
    if (place.record == nullptr) continue;
    size_t at = place.hash & mask;
    while (places_[at].record != nullptr) at = (at + 1) & mask;
    places_[at] = std::move(place);
  }
}

}  // namespace kvd
