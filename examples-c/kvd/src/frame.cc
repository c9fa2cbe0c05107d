// SPDX-License-Identifier: Apache-2.0
#include "frame.h"

#include "bytes.h"
#include "crc32c.h"

namespace kvd {

void append_frame(std::string &out, uint64_t region_id, std::string_view payload) {
  put_little_endian(out, static_cast<uint32_t>(payload.size()));
  put_little_endian(out, crc32c(payload));
  put_little_endian(out, region_id);
  out.append(payload);
}

FrameParse parse_frame(std::string_view received, size_t max_payload_bytes) {
  FrameParse result;
  if (received.size() < frame_header_bytes) return result;
  const auto size = get_little_endian<uint32_t>(received.data());
  if (size == 0 || size > max_payload_bytes) {
    result.status = FrameParse::Status::error;
    result.error = size == 0 ? "empty frame" : "frame larger than allowed";
    return result;
  }
  result.frame_bytes = frame_header_bytes + size;
  if (received.size() < result.frame_bytes) return result;
  result.frame.region_id = get_little_endian<uint64_t>(received.data() + 8);
  result.frame.payload = received.substr(frame_header_bytes, size);
  if (crc32c(result.frame.payload) != get_little_endian<uint32_t>(received.data() + 4)) {
    result.status = FrameParse::Status::error;
    result.error = "checksum does not match";
    return result;
  }
  result.status = FrameParse::Status::complete;
  return result;
}

}  // namespace kvd
