// SPDX-License-Identifier: Apache-2.0
#include "frame.h"

#include <algorithm>
#include <charconv>

#include "bytes.h"
#include "crc32c.h"

namespace kvd {
namespace {

constexpr std::string_view magic = "kvd-peer";
constexpr std::string_view version = "1";

std::optional<std::string_view> next_word(std::string_view &rest) {
  const size_t end = std::min(rest.find(' '), rest.size());
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  if (word.empty()) return std::nullopt;
  return word;
}

std::optional<uint64_t> next_number(std::string_view &rest) {
  const auto word = next_word(rest);
  if (!word) return std::nullopt;
  uint64_t value = 0;
  const auto [end, problem] = std::from_chars(word->data(), word->data() + word->size(), value);
  if (problem != std::errc{} || end != word->data() + word->size()) return std::nullopt;
  return value;
}

}  // namespace

bool valid_cluster_id(std::string_view id) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), allowed);
}

std::string encode_handshake(const Handshake &handshake) {
  std::string line;
  line.append(magic).append(" ").append(version).append(" ").append(handshake.cluster_id);
  line.append(" ").append(std::to_string(handshake.from));
  line.append(" ").append(std::to_string(handshake.to)).append("\n");
  return line;
}

std::optional<Handshake> parse_handshake(std::string_view line) {
  if (line.ends_with(' ')) return std::nullopt;
  if (next_word(line) != magic || next_word(line) != version) return std::nullopt;
  const auto cluster_id = next_word(line);
  const auto from = next_number(line);
  const auto to = next_number(line);
  if (!cluster_id || !valid_cluster_id(*cluster_id) || !from || !to || !line.empty()) {
    return std::nullopt;
  }
  return Handshake{std::string(*cluster_id), *from, *to};
}

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
