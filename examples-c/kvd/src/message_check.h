// SPDX-License-Identifier: Apache-2.0
// What a store takes from another one: the messages that kvd itself sends, from the store that the
// connection belongs to, with nothing in them that no kvd writes. The library checks the protocol;
// this is what it cannot know.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "slot.h"

namespace kvd {

// What the receiver knows.
struct MessageRules {
  uint64_t from = 0;                              // the store of the connection
  uint64_t to = 0;                                // this store
  uint64_t term = 0;                              // this store's
  const std::vector<uint64_t> *voters = nullptr;  // of the Region, sorted
  SlotRange slots;                                // of the Region
};

// The parts of a message that kvd itself looks at.
struct MessageFields {
  int32_t type = 0;  // a RAFT_MESSAGE_ constant
  uint64_t from = 0;
  uint64_t to = 0;
  uint64_t term = 0;
  uint64_t log_term = 0;
  uint64_t index = 0;
  uint64_t commit = 0;
  uint64_t reject_hint = 0;
  uint64_t commit_term = 0;
  bool reject = false;
};

// Terms and indexes beyond are no result of elections and writes. A term may be ahead of the
// receiver's by as many elections as a store can hold that was alone for months.
constexpr uint64_t max_index = uint64_t{1} << 56;
constexpr uint64_t max_term_lead = uint64_t{1} << 24;

// Why the message is refused; empty if it is not, and then `fields` is set. Reads the bytes where
// they are; a snapshot and all entries are looked through.
std::string check_message(std::string_view message, const MessageRules &rules,
                          MessageFields &fields);

}  // namespace kvd
