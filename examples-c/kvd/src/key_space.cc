// SPDX-License-Identifier: Apache-2.0
#include "key_space.h"

namespace kvd {
namespace {

// What a key costs beside its bytes and its value's.
constexpr size_t bytes_per_key = 128;

const Changes::Value removed;

std::optional<std::string_view> view_of_value(const Changes::Value &value) {
  return value ? std::optional<std::string_view>(*value) : std::nullopt;
}

}  // namespace

std::optional<std::string_view> StoredKeys::get(std::string_view key) {
  make_data_key(data_key_, slot_of(key), key);
  if (!engine_.get(engine_.data(), data_key_, value_, moment_.snapshot())) return std::nullopt;
  return view_of(value_);
}

Changes::Value &Changes::value_of(std::string_view key) {
  const auto found = latest_.find(key);
  if (found != latest_.end()) {
    bytes_ -= found->second ? found->second->size() : 0;
    return found->second;
  }
  bytes_ += bytes_per_key + key.size();
  return latest_.emplace(key, std::nullopt).first->second;
}

void Changes::put(std::string_view key, std::string_view value) {
  Value &place = value_of(key);
  if (place) {
    place->assign(value);
  } else {
    place.emplace(value);
  }
  bytes_ += value.size();
}

void Changes::erase(std::string_view key) { value_of(key).reset(); }

void Changes::clear(SlotRange slots) {
  for (auto item = latest_.begin(); item != latest_.end();) {
    if (slots.contains(slot_of(item->first))) {
      bytes_ -= bytes_per_key + item->first.size() + (item->second ? item->second->size() : 0);
      item = latest_.erase(item);
    } else {
      ++item;
    }
  }
  if (std::find(cleared_.begin(), cleared_.end(), slots) == cleared_.end()) {
    cleared_.push_back(slots);
  }
}

const Changes::Value *Changes::find(std::string_view key) const {
  const auto found = latest_.find(key);
  if (found != latest_.end()) return &found->second;
  if (cleared_.empty()) return nullptr;
  const uint16_t slot = slot_of(key);
  const auto covers = [slot](const SlotRange &range) { return range.contains(slot); };
  return std::any_of(cleared_.begin(), cleared_.end(), covers) ? &removed : nullptr;
}

std::vector<Changes::Place> Changes::sorted() const {
  std::vector<Place> places;
  places.reserve(latest_.size());
  for (const auto &[key, value] : latest_) places.push_back({slot_of(key), key, &value});
  std::sort(places.begin(), places.end(), [](const Place &a, const Place &b) {
    return a.slot != b.slot ? a.slot < b.slot : a.key < b.key;
  });
  return places;
}

std::optional<std::string_view> KeySpace::get(std::string_view key) {
  if (const Changes::Value *value = recent_.find(key)) return view_of_value(*value);
  for (auto changes = taken_.rbegin(); changes != taken_.rend(); ++changes) {
    if (const Changes::Value *value = (*changes)->find(key)) return view_of_value(*value);
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
