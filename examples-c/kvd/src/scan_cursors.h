// SPDX-License-Identifier: Apache-2.0
// Where scans go on: a cursor of SCAN is a number, and the place is a key.
//
// Its low bits are a slot. The others are 0 if the scan goes on with the slot's first key; elsewise
// they name a key of the slot in a table of this process, the last one that was answered. A cursor
// that the table does not have any more (it keeps the newest, and another store has others) goes on
// with the slot's first key: keys may be answered twice, as SCAN may, and none is left out.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

namespace kvd {

class ScanCursors {
 public:
  ScanCursors();

  // The data key from which on to scan.
  std::string begin_of(uint64_t cursor) const;
  // The cursor for a scan that goes on behind this data key; 0 if that is the end.
  uint64_t behind(std::string_view last_data_key);

 private:
  uint64_t next_name_;
  std::map<uint64_t, std::string> keys_;
  std::deque<uint64_t> order_;
};

}  // namespace kvd
