// SPDX-License-Identifier: Apache-2.0
// How much one client has done in a turn of the loop: when that is enough, it goes on in the next,
// and others get theirs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace kvd {

struct Work {
  size_t keys = 0;
  size_t bytes = 0;

  void add(const Work &more) {
    keys += more.keys;
    bytes += more.bytes;
  }
  void raise_to(const Work &other) {
    keys = std::max(keys, other.keys);
    bytes = std::max(bytes, other.bytes);
  }
};

constexpr Work work_per_turn{1024, 1 << 20};

class TurnBudget {
 public:
  // Whether there is some left in turn number `turn`. What is done then is done as a whole, and may
  // be more.
  bool has_left(uint64_t turn) const {
    return turn != turn_ || (done_.keys < work_per_turn.keys && done_.bytes < work_per_turn.bytes);
  }

  // What was done in this turn, with this.
  const Work &spend(uint64_t turn, const Work &work) {
    if (turn != turn_) done_ = {};
    turn_ = turn;
    done_.add(work);
    return done_;
  }

 private:
  uint64_t turn_ = 0;
  Work done_;
};

// What a client's buffers may keep while it sends nothing: together they share 64 MiB.
constexpr size_t idle_buffer_bytes(size_t clients) {
  return std::clamp<size_t>((64 << 20) / std::max<size_t>(clients, 1), 16 << 10, 1 << 20);
}

}  // namespace kvd
