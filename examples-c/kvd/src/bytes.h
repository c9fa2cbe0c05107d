// SPDX-License-Identifier: Apache-2.0
// Numbers and strings as bytes: what is stored, framed or replicated is put together from these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvd {

template <typename Unsigned>
void put_big_endian(std::string &out, Unsigned value) {
  for (int shift = 8 * (static_cast<int>(sizeof value) - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
}

template <typename Unsigned>
void put_little_endian(std::string &out, Unsigned value) {
  for (size_t i = 0; i < sizeof value; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

template <typename Unsigned>
Unsigned get_big_endian(const char *from) {
  Unsigned value = 0;
  for (size_t i = 0; i < sizeof value; ++i) {
    value = static_cast<Unsigned>(value << 8 | static_cast<unsigned char>(from[i]));
  }
  return value;
}

template <typename Unsigned>
Unsigned get_little_endian(const char *from) {
  Unsigned value = 0;
  for (size_t i = sizeof value; i-- > 0;) {
    value = static_cast<Unsigned>(value << 8 | static_cast<unsigned char>(from[i]));
  }
  return value;
}

inline void put_varint(std::string &out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

// A string with its length before it.
inline void put_string(std::string &out, std::string_view text) {
  put_varint(out, text.size());
  out.append(text);
}

// Takes bytes apart from the front. Every getter answers nullopt at the end of the bytes or at a
// malformed value, and then the reader stays failed.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }
  bool failed() const { return failed_; }
  size_t remaining() const { return rest_.size(); }

  std::optional<uint8_t> byte() {
    const auto one = take(1);
    if (!one) return std::nullopt;
    return static_cast<uint8_t>((*one)[0]);
  }

  std::optional<uint64_t> varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto next = byte();
      if (!next || (shift == 63 && *next > 1)) break;
      value |= static_cast<uint64_t>(*next & 0x7f) << shift;
      if (*next < 0x80) return value;
    }
    failed_ = true;
    return std::nullopt;
  }

  template <typename Unsigned>
  std::optional<Unsigned> big_endian() {
    const auto bytes = take(sizeof(Unsigned));
    if (!bytes) return std::nullopt;
    return get_big_endian<Unsigned>(bytes->data());
  }

  std::optional<std::string_view> string() {
    const auto size = varint();
    if (!size) return std::nullopt;
    return take(*size);
  }

  std::optional<std::string_view> take(uint64_t size) {
    if (failed_ || size > rest_.size()) {
      failed_ = true;
      return std::nullopt;
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace kvd
