// SPDX-License-Identifier: Apache-2.0
#include "sip_hash.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>

#include "key_table.h"

namespace kvd {
namespace {

constexpr SipKey known_key{0x0706050403020100, 0x0f0e0d0c0b0a0908};

// Values of the paper's authors for the bytes 0, 1, 2 ...
TEST(SipHash, HasTheKnownValues) {
  const std::string bytes("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e", 15);
  const auto hash = [](std::string_view text) { return sip_hash<2, 4>(known_key, text); };
  EXPECT_EQ(hash(""), 0x726fdb47dd0e0e31u);
  EXPECT_EQ(hash(bytes.substr(0, 1)), 0x74f839c593dc67fdu);
  EXPECT_EQ(hash(bytes.substr(0, 8)), 0x93f5f5799a932462u);
  EXPECT_EQ(hash(bytes), 0xa129ca6149be45e5u);
  EXPECT_EQ(sip_hash(known_key, ""), 0xabac0158050fc4dcu);
}

TEST(SipHash, DependsOnItsKey) {
  EXPECT_NE(sip_hash(SipKey::random(), "key"), sip_hash(SipKey::random(), "key"));
}

// Keys that collide under the hash of the standard library, which is the same in every process.
std::set<std::string> colliding_keys(size_t count) {
  // Its last step on 16-byte strings can be inverted, word by word: see MurmurHashUnaligned2.
  constexpr uint64_t mul = 0xc6a4a7935bd1e995;
  const auto inverse = [] {
    uint64_t x = mul;
    for (int i = 0; i < 6; ++i) x *= 2 - mul * x;
    return x;
  }();
  const auto unshift = [](uint64_t x) { return x ^ (x >> 47); };
  const auto mixed = [&](uint64_t word) { return unshift(word * mul) * mul; };
  const auto unmixed = [&](uint64_t word) { return unshift(word * inverse) * inverse; };
  const uint64_t seed = 0xc70f6907ull ^ (16 * mul);
  std::set<std::string> keys;
  for (uint64_t first = 1; keys.size() < count; ++first) {
    const uint64_t half = (seed ^ mixed(first)) * mul;
    const uint64_t second = unmixed(half ^ 42);
    std::string key(16, '\0');
    std::memcpy(key.data(), &first, 8);
    std::memcpy(key.data() + 8, &second, 8);
    keys.insert(key);
  }
  return keys;
}

TEST(KeyTable, ChosenKeysDoNotCollide) {
  std::set<size_t> standard;
  std::set<size_t> keyed;
  const auto keys = colliding_keys(1000);
  for (const std::string &key : keys) {
    standard.insert(std::hash<std::string_view>()(key));
    keyed.insert(KeyTable::hash_of(key));
  }
#ifdef __GLIBCXX__
  EXPECT_EQ(standard.size(), 1u) << "the keys of this test are of no use here";
#endif
  EXPECT_EQ(keyed.size(), keys.size());
}

}  // namespace
}  // namespace kvd
