// SPDX-License-Identifier: Apache-2.0
// What stores say to each other over TCP.
//
// Each store opens one connection to each other store and only sends on it; what the other side has
// to say comes over the connection that it opens itself. A connection starts with one line
//
//   kvd-peer 1 <cluster id> <sender's store id> <receiver's store id>\n
//
// of printable ASCII (numbers in decimal, the line at most 256 bytes with its end). Frames follow:
//
//   offset  size  field
//        0     4  length of the payload, little-endian; 1 .. the receiver's limit
//        4     4  CRC-32C of the payload, little-endian (crc32c.h)
//        8     8  region id, little-endian
//       16     n  payload: one Raft message, the bytes that the library gave
//
// The receiver answers nothing. It closes the connection at the first byte that is not as said
// here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvd {

constexpr size_t frame_header_bytes = 16;
constexpr size_t max_handshake_bytes = 256;

struct Handshake {
  std::string cluster_id;
  uint64_t from = 0;
  uint64_t to = 0;

  bool operator==(const Handshake &) const = default;
};

std::string encode_handshake(const Handshake &handshake);

// `line` without its newline; nullopt if it is not a handshake of this version.
std::optional<Handshake> parse_handshake(std::string_view line);

// A cluster id stands in the handshake as one word: 1..64 of letters, digits, '-', '_' and '.'.
bool valid_cluster_id(std::string_view id);

void append_frame(std::string &out, uint64_t region_id, std::string_view payload);

struct Frame {
  uint64_t region_id = 0;
  std::string_view payload;
};

// What stands at the start of a buffer of received bytes.
struct FrameParse {
  enum class Status { complete, incomplete, error };
  Status status = Status::incomplete;
  Frame frame;             // complete: views into the buffer
  size_t frame_bytes = 0;  // complete: bytes of the frame; incomplete: bytes it will have, if known
  const char *error = nullptr;  // error: why
};

FrameParse parse_frame(std::string_view received, size_t max_payload_bytes);

}  // namespace kvd
