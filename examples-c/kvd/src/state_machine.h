// SPDX-License-Identifier: Apache-2.0
// What a committed write does to the key space, and what it answers. Depends on nothing but the
// entry and the keys, so that every replica does the same.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "key_space.h"
#include "write_command.h"

namespace kvd {

// Applies one write of a Region with these slots, and appends its reply to `reply`.
void apply_write(const WriteCommand &command, SlotRange slots, KeySpace &keys, std::string &reply);

// Called for each write of an entry, in order, with its reply.
using OnReply = std::function<void(size_t position, std::string_view reply)>;

// Applies all writes of an entry. fatal() for an entry of a version that this program does not
// know: to skip it would part this replica from the others. What is malformed in a known version is
// skipped, as it is on every replica, and false is returned.
bool apply_entry(std::string_view entry, SlotRange slots, KeySpace &keys, const OnReply &on_reply);

}  // namespace kvd
