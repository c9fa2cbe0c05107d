// SPDX-License-Identifier: Apache-2.0
#include "frame.h"

#include <gtest/gtest.h>

#include <random>

#include "bytes.h"
#include "crc32c.h"

namespace kvd {
namespace {

using Status = FrameParse::Status;
constexpr size_t limit = 1000;

TEST(Crc32c, HasTheKnownValues) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
}

TEST(Frame, RoundTrips) {
  std::string bytes;
  append_frame(bytes, 7, "hello");
  append_frame(bytes, UINT64_MAX, std::string(limit, 'x'));
  const FrameParse first = parse_frame(bytes, limit);
  ASSERT_EQ(first.status, Status::complete);
  EXPECT_EQ(first.frame.region_id, 7u);
  EXPECT_EQ(first.frame.payload, "hello");
  const FrameParse second = parse_frame(std::string_view(bytes).substr(first.frame_bytes), limit);
  ASSERT_EQ(second.status, Status::complete);
  EXPECT_EQ(second.frame.region_id, UINT64_MAX);
  EXPECT_EQ(second.frame.payload, std::string(limit, 'x'));
}

// What other programs rely on that speak to a store: frame.h describes it.
TEST(Frame, LooksAsDescribed) {
  std::string bytes;
  append_frame(bytes, 0x0102, "123456789");
  EXPECT_EQ(bytes, std::string("\x09\0\0\0"
                               "\x83\x92\x06\xe3"
                               "\x02\x01\0\0\0\0\0\0"
                               "123456789",
                               25));
}

TEST(Frame, WaitsForItsEnd) {
  std::string bytes;
  append_frame(bytes, 1, "payload");
  for (size_t size = 0; size < bytes.size(); ++size) {
    const FrameParse parse = parse_frame(std::string_view(bytes).substr(0, size), limit);
    EXPECT_EQ(parse.status, Status::incomplete) << size;
    EXPECT_EQ(parse.frame_bytes, size < frame_header_bytes ? 0 : bytes.size());
  }
}

TEST(Frame, EveryFlippedBitOfThePayloadIsFound) {
  std::string bytes;
  append_frame(bytes, 1, "payload");
  for (size_t bit = frame_header_bytes * 8; bit < bytes.size() * 8; ++bit) {
    std::string broken = bytes;
    broken[bit / 8] = static_cast<char>(broken[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(parse_frame(broken, limit).status, Status::error) << "bit " << bit;
  }
}

TEST(Frame, SizesOutsideTheLimitAreRefusedAtOnce) {
  std::string bytes;
  append_frame(bytes, 1, std::string(limit + 1, 'x'));
  EXPECT_EQ(parse_frame(bytes.substr(0, frame_header_bytes), limit).status, Status::error);
  std::string empty;
  append_frame(empty, 1, "");
  EXPECT_EQ(parse_frame(empty, limit).status, Status::error);
}

TEST(ByteReader, FailsOnceAndForAll) {
  ByteReader reader(
      std::string_view("\x05"
                       "abc",
                       4));
  EXPECT_EQ(reader.string(), std::nullopt);
  EXPECT_TRUE(reader.failed());
  EXPECT_EQ(reader.byte(), std::nullopt);
}

TEST(ByteReader, ReadsWhatWasPut) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 2000; ++round) {
    const uint64_t number = random() >> (random() % 64);
    std::string bytes;
    put_varint(bytes, number);
    put_string(bytes, "text");
    put_big_endian(bytes, number);
    ByteReader reader(bytes);
    ASSERT_EQ(reader.varint(), number);
    ASSERT_EQ(reader.string(), "text");
    ASSERT_EQ(reader.big_endian<uint64_t>(), number);
    ASSERT_TRUE(reader.empty());
  }
  std::string too_long(10, '\xff');
  EXPECT_EQ(ByteReader(too_long).varint(), std::nullopt);
}

}  // namespace
}  // namespace kvd
