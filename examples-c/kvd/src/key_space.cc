// SPDX-License-Identifier: Apache-2.0
#include "key_space.h"

namespace kvd {
namespace {

// What a key costs beside its bytes and its value's.
constexpr size_t bytes_per_key = 128;

}  // namespace

std::optional<std::string_view> StoredKeys::get(std::string_view key) {
  make_data_key(data_key_, slot_of(key), key);
  if (!engine_.get(engine_.data(), data_key_, value_, moment_.snapshot())) return std::nullopt;
  return view_of(value_);
}

void Changes::set(std::string_view key, const Value &value) {
  const auto before = latest_.put(key, value);
  bytes_ -= before.value_or(0);
  bytes_ += (before ? 0 : bytes_per_key + key.size()) + (value ? value->size() : 0);
}

void Changes::put(std::string_view key, std::string_view value) { set(key, value); }

void Changes::erase(std::string_view key) { set(key, std::nullopt); }

void Changes::clear(SlotRange slots) {
  latest_.erase_if([&](const KeyTable::Record &record) {
    if (!slots.contains(slot_of(record.key()))) return false;
    bytes_ -= bytes_per_key + record.key().size() + record.value_bytes();
    return true;
  });
  if (std::find(cleared_.begin(), cleared_.end(), slots) == cleared_.end()) {
    cleared_.push_back(slots);
  }
}

std::optional<Changes::Value> Changes::find(std::string_view key, size_t hash) const {
  const KeyTable::Record *record = latest_.find(key, hash);
  if (record != nullptr) return record->value();
  if (cleared_.empty()) return std::nullopt;
  const uint16_t slot = slot_of(key);
  const auto covers = [slot](const SlotRange &range) { return range.contains(slot); };
  if (std::none_of(cleared_.begin(), cleared_.end(), covers)) return std::nullopt;
  return Value(std::nullopt);
}

std::vector<Changes::Place> Changes::sorted() const {
  std::vector<Place> places;
  places.reserve(latest_.size());
  latest_.for_each([&](const KeyTable::Record &record) {
    places.push_back({slot_of(record.key()), &record});
  });
  std::sort(places.begin(), places.end(), [](const Place &a, const Place &b) {
    return a.slot != b.slot ? a.slot < b.slot : a.record->key() < b.record->key();
  });
  return places;
}

std::optional<std::string_view> KeySpace::get(std::string_view key) {
  const size_t hash = KeyTable::hash_of(key);
  if (const auto change = recent_.find(key, hash)) return *change;
  for (auto changes = taken_.rbegin(); changes != taken_.rend(); ++changes) {
    if (const auto change = (*changes)->find(key, hash)) return *change;
  }
  make_data_key(data_key_, slot_of(key), key);
  if (!engine_.get(engine_.data(), data_key_, stored_)) return std::nullopt;
  return view_of(stored_);
}

std::shared_ptr<const Changes> KeySpace::take_recent() {
  taken_.push_back(std::make_shared<const Changes>(std::exchange(recent_, {})));
  return taken_.back();
}

void KeySpace::stored(const std::shared_ptr<const Changes> &changes) {
  if (std::find(taken_.begin(), taken_.end(), changes) == taken_.end()) return;
  while (taken_.front() != changes) taken_.pop_front();
}

void KeySpace::forget() {
  recent_ = {};
  taken_.clear();
}

}  // namespace kvd
