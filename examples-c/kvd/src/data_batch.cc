// SPDX-License-Identifier: Apache-2.0
#include "data_batch.h"

#include <algorithm>

namespace kvd {

void DataBatch::put(std::string_view key, std::string_view value) {
  make_data_key(data_key_, slot_of(key), key);
  batch_.Put(engine_.data(), data_key_, slice_of(value));
  remember(key, value);
}

void DataBatch::put_owned(std::string_view key, std::string value) {
  owned_.push_back(std::move(value));
  put(key, owned_.back());
}

void DataBatch::erase(std::string_view key) {
  make_data_key(data_key_, slot_of(key), key);
  batch_.Delete(engine_.data(), data_key_);
  remember(key, std::nullopt);
}

void DataBatch::clear(SlotRange slots) {
  batch_.DeleteRange(engine_.data(), data_key_bound(slots.first), data_key_bound(slots.last + 1));
  index_changes();
  std::erase_if(latest_, [&](const auto &item) { return slots.contains(slot_of(item.first)); });
  cleared_.push_back(slots);
}

void DataBatch::remember(std::string_view key, std::optional<std::string_view> value) {
  changes_.push_back({key, value});
}

void DataBatch::index_changes() {
  for (; indexed_ < changes_.size(); ++indexed_) {
    latest_.insert_or_assign(changes_[indexed_].key, changes_[indexed_].value);
  }
}

std::optional<std::string_view> DataBatch::get(std::string_view key) {
  index_changes();
  if (const auto found = latest_.find(key); found != latest_.end()) return found->second;
  const uint16_t slot = slot_of(key);
  const auto covers = [slot](const SlotRange &range) { return range.contains(slot); };
  if (std::any_of(cleared_.begin(), cleared_.end(), covers)) return std::nullopt;
  make_data_key(data_key_, slot, key);
  if (!engine_.get(engine_.data(), data_key_, stored_)) return std::nullopt;
  return view_of(stored_);
}

}  // namespace kvd
