// SPDX-License-Identifier: Apache-2.0
// A Region: a part of the key space, replicated by one Raft group.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bytes.h"
#include "slot.h"

namespace kvd {

struct Region {
  uint64_t id = 0;
  SlotRange slots;

  // RegionLocalState: first slot, last slot. The id is in its key.
  std::string encode() const {
    std::string bytes;
    put_big_endian(bytes, slots.first);
    put_big_endian(bytes, slots.last);
    return bytes;
  }

  static std::optional<Region> decode(uint64_t id, std::string_view bytes) {
    ByteReader reader(bytes);
    const auto first = reader.big_endian<uint16_t>();
    const auto last = reader.big_endian<uint16_t>();
    if (!first || !last || *first > *last || *last >= slot_count || !reader.empty()) {
      return std::nullopt;
    }
    return Region{id, {*first, *last}};
  }
};

}  // namespace kvd
