// SPDX-License-Identifier: Apache-2.0
// Who waits for the outcome of a request.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>

#include "turn_budget.h"

namespace kvd {

using Clock = std::chrono::steady_clock;

// Takes replies to requests that were numbered by it.
class ReplySink {
 public:
  virtual ~ReplySink() = default;
  // Called once for each number, on the loop, in any order.
  virtual void reply(uint64_t number, std::string_view encoded) = 0;
  // False while the client is slow to take the replies that it has: what can wait, should.
  virtual bool takes_replies() const = 0;
  // Whether it is not to be done more for the client in this turn, and that something was done.
  virtual bool had_its_turn() const { return false; }
  virtual void note_work(const Work &) {}
  // The client has gone: replies reach nobody.
  virtual bool is_gone() const { return false; }
};

struct Waiter {
  std::shared_ptr<ReplySink> sink;
  uint64_t number = 0;
  uint16_t slot = 0;  // of the request's keys

  void reply(std::string_view encoded) const { sink->reply(number, encoded); }
};

}  // namespace kvd
