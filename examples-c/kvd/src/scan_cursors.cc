// SPDX-License-Identifier: Apache-2.0
#include "scan_cursors.h"

#include "bytes.h"
#include "engine.h"
#include "random_bytes.h"

namespace kvd {
namespace {

constexpr int slot_bits = 14;
constexpr uint64_t slot_mask = (1 << slot_bits) - 1;
constexpr uint64_t names = uint64_t{1} << 48;
constexpr size_t max_keys = 4096;

}  // namespace

// Not the names of another store, or of the process before.
ScanCursors::ScanCursors() : next_name_(get_big_endian<uint64_t>(random_bytes(8).data()) % names) {}

std::string ScanCursors::begin_of(uint64_t cursor) const {
  const auto known = keys_.find(cursor >> slot_bits);
  if (known == keys_.end()) return data_key_bound(static_cast<uint32_t>(cursor & slot_mask));
  // The first key behind it.
  return known->second + '\0';
}

uint64_t ScanCursors::behind(std::string_view last_data_key) {
  if (last_data_key.empty()) return 0;
  if (keys_.size() == max_keys) {
    keys_.erase(order_.front());
    order_.pop_front();
  }
  const uint64_t name = next_name_;
  next_name_ = next_name_ % (names - 1) + 1;
  if (name == 0) return behind(last_data_key);
  keys_[name] = last_data_key;
  order_.push_back(name);
  return name << slot_bits | get_big_endian<uint16_t>(last_data_key.data() + 1);
}

}  // namespace kvd
