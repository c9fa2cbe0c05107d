// SPDX-License-Identifier: Apache-2.0
// Reads, as they wait for their turn: a read is collected, confirmed by the Region's leader
// together with all others of the same turn, and executed once the state machine is recent enough.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "key_space.h"

namespace kvd {

enum class ReadOp : uint8_t { get, mget, exists, strlen, dbsize, keys, scan };

// opcode byte, then fields as in write_command.h
void encode_read_key(std::string &out, ReadOp op, std::string_view key);  // get, strlen
void encode_read_keys(std::string &out, ReadOp op, const std::string_view *keys, size_t count);
void encode_read_pattern(std::string &out, std::string_view pattern);  // keys
void encode_read_dbsize(std::string &out);

struct ScanRequest {
  uint64_t cursor = 0;  // scan_cursors.h
  uint64_t count = 10;
  std::optional<std::string_view> pattern;
  bool strings_wanted = true;  // false: SCAN ... TYPE with another type, and all values are strings
};
void encode_read_scan(std::string &out, const ScanRequest &request);

// Whether the read goes through many keys: then it belongs on another thread than the loop's.
bool is_long_read(std::string_view encoded);

// Executes a read that is not long, and appends its reply. False, and nothing is appended, if it
// turns out to be long by the size of its values.
bool execute_short_read(std::string_view encoded, KeyReader &keys, std::string &reply);

// How many keys a read that is not long looks at.
size_t keys_of_read(std::string_view encoded);

struct LongReadResult {
  std::string reply;          // of SCAN: the keys, without the cursor
  std::string last_data_key;  // SCAN: the scan goes on behind it; empty: it is at its end
};

// The cursor of a SCAN; nullopt for any other read.
std::optional<uint64_t> cursor_of_scan(std::string_view encoded);

// Executes a long read on what the database has of the Region's slots; a SCAN begins at the data
// key `scan_begin`. Any thread may.
LongReadResult execute_long_read(std::string_view encoded, Engine &engine, SlotRange slots,
                                 const std::string &scan_begin);

// The reply to a SCAN.
std::string scan_reply(uint64_t next_cursor, std::string_view keys);

}  // namespace kvd
