// SPDX-License-Identifier: Apache-2.0
#include "slot.h"

#include <array>

namespace kvd {
namespace {

constexpr std::array<uint16_t, 256> make_table() {
  std::array<uint16_t, 256> table{};
  for (uint32_t i = 0; i < table.size(); ++i) {
    uint32_t crc = i << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc << 1) ^ ((crc & 0x8000) != 0 ? 0x1021u : 0u);
    table[i] = static_cast<uint16_t>(crc);
  }
  return table;
}

constexpr std::array<uint16_t, 256> table = make_table();

std::string_view hashed_part(std::string_view key) {
  const size_t open = key.find('{');
  if (open == std::string_view::npos) return key;
  const size_t close = key.find('}', open + 1);
  if (close == std::string_view::npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

}  // namespace

uint16_t slot_of(std::string_view key) {
  uint16_t crc = 0;
  for (const char c : hashed_part(key)) {
    crc = static_cast<uint16_t>((crc << 8) ^ table[(crc >> 8) ^ static_cast<unsigned char>(c)]);
  }
  return crc % slot_count;
}

}  // namespace kvd
