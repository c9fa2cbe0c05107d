// SPDX-License-Identifier: Apache-2.0
// SipHash (Aumasson and Bernstein, 2012): a hash that only the holder of its key can predict, so
// that nobody can choose keys that collide.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace kvd {

struct SipKey {
  uint64_t low = 0;
  uint64_t high = 0;

  // From the operating system; fatal() if it gives none.
  static SipKey random();
};

namespace sip {

// The hash works on 64-bit words, little-endian.
inline uint64_t word(const char *bytes) {
  uint64_t value = 0;
  std::memcpy(&value, bytes, sizeof value);
  if constexpr (std::endian::native == std::endian::big) value = __builtin_bswap64(value);
  return value;
}

struct State {
  uint64_t a, b, c, d;

  void round() {
    a += b;
    b = std::rotl(b, 13) ^ a;
    a = std::rotl(a, 32);
    c += d;
    d = std::rotl(d, 16) ^ c;
    a += d;
    d = std::rotl(d, 21) ^ a;
    c += b;
    b = std::rotl(b, 17) ^ c;
    c = std::rotl(c, 32);
  }

  template <int Rounds>
  void absorb(uint64_t next) {
    d ^= next;
    for (int i = 0; i < Rounds; ++i) round();
    a ^= next;
  }
};

}  // namespace sip

// `Words` rounds after each word and `End` at the end. 1 and 3 are for hash tables; 2 and 4 are
// those of the paper.
template <int Words = 1, int End = 3>
uint64_t sip_hash(const SipKey &key, std::string_view bytes) {
  sip::State state{key.low ^ 0x736f6d6570736575, key.high ^ 0x646f72616e646f6d,
                   key.low ^ 0x6c7967656e657261, key.high ^ 0x7465646279746573};
  const char *at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) state.absorb<Words>(sip::word(at));
  uint64_t last = static_cast<uint64_t>(bytes.size()) << 56;
  for (size_t i = 0; i < left; ++i) {
    last |= static_cast<uint64_t>(static_cast<unsigned char>(at[i])) << (8 * i);
  }
  state.absorb<Words>(last);
  state.c ^= 0xff;
  for (int i = 0; i < End; ++i) state.round();
  return state.a ^ state.b ^ state.c ^ state.d;
}

}  // namespace kvd
