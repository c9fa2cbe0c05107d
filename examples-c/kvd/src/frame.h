// SPDX-License-Identifier: Apache-2.0
// What stores say to each other over TCP.
//
// Each store opens one connection to each other store and only sends on it; what the other side has
// to say comes over the connection that it opens itself. A connection starts with a handshake
// (handshake.h). Frames follow:
//
//   offset  size  field
//        0     4  length of the payload, little-endian; 1 .. the receiver's limit
//        4     4  CRC-32C of the payload, little-endian (crc32c.h)
//        8     8  region id, little-endian
//       16     n  payload: one Raft message, the bytes that the library gave
//
// The receiver answers nothing. It closes the connection at the first byte that is not as said
// here, and at the first message that no store sends (message_check.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvd {

constexpr size_t frame_header_bytes = 16;
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
