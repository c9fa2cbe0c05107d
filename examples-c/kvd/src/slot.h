// SPDX-License-Identifier: Apache-2.0
// Redis Cluster's hash slots: the place of a key in the key space that Regions divide among them.
#pragma once

#include <cstdint>
#include <string_view>

namespace kvd {

constexpr uint16_t slot_count = 16384;

// A range of slots, both ends included.
struct SlotRange {
  uint16_t first = 0;
  uint16_t last = slot_count - 1;

  bool contains(uint16_t slot) const { return first <= slot && slot <= last; }
  bool operator==(const SlotRange &) const = default;
};

// CRC16-XMODEM of the key, or of its hash tag: what is between the first '{' and the next '}', if
// that is not empty.
uint16_t slot_of(std::string_view key);

}  // namespace kvd
