// SPDX-License-Identifier: Apache-2.0
// Writes as they stand in the Raft log. One log entry carries the writes that one turn of the loop
// collected for a Region:
//
//   version byte (1), then for each write: opcode byte, fields
//
// Numbers are varints (signed ones zigzag), strings have their length before them. Everything that
// decides the outcome is in the bytes, so that every replica computes the same one: the clock and
// the options of a process have no part in it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvd {

enum class WriteOp : uint8_t {
  set = 1,     // flags, key, value
  del = 2,     // count, keys
  mset = 3,    // count, (key, value) pairs
  incr = 4,    // key, signed amount
  append = 5,  // largest size of the result, key, value
  flush = 6,   // (all keys of the Region)
};

enum SetFlag : uint8_t {
  set_if_absent = 1,
  set_if_present = 2,
  set_returns_old = 4,
};

// One decoded write; which members count depends on `op`. Strings point into the entry.
struct WriteCommand {
  WriteOp op = WriteOp::set;
  uint8_t flags = 0;
  std::string_view key;
  std::string_view value;
  std::vector<std::string_view> list;  // del: keys; mset: key, value, key, value ...
  int64_t amount = 0;
  uint64_t max_value_bytes = 0;
};

constexpr char write_entry_version = 1;

void encode_set(std::string &out, uint8_t flags, std::string_view key, std::string_view value);
void encode_del(std::string &out, const std::string_view *keys, size_t count);
void encode_mset(std::string &out, const std::string_view *keys_and_values, size_t pairs);
void encode_incr(std::string &out, std::string_view key, int64_t amount);
void encode_append(std::string &out, uint64_t max_value_bytes, std::string_view key,
                   std::string_view value);
void encode_flush(std::string &out);

// Goes through the writes of an entry.
class WriteReader {
 public:
  enum class Next { command, end, malformed, unknown_version };

  explicit WriteReader(std::string_view entry) : entry_(entry) {}

  // Decodes the next write into `command`, which keeps its memory from call to call.
  Next next(WriteCommand &command);

 private:
  std::string_view entry_;
  size_t position_ = 0;
};

}  // namespace kvd
