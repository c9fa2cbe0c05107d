// SPDX-License-Identifier: Apache-2.0
// What others cause as often as they like is logged now and then.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace kvd {

// Lets one line through in an interval, and counts the others.
class LogLimit {
 public:
  using Clock = std::chrono::steady_clock;

  explicit LogLimit(std::chrono::milliseconds interval = std::chrono::seconds(10))
      : interval_(interval) {}

  // Whether to log now. Then suffix() says how many lines were left out before.
  bool passes(Clock::time_point now = Clock::now()) {
    if (passed_ && now - last_ < interval_) {
      ++left_out_;
      return false;
    }
    suffix_ = left_out_ == 0 ? "" : " (and " + std::to_string(left_out_) + " times before)";
    passed_ = true;
    last_ = now;
    left_out_ = 0;
    return true;
  }
  const char *suffix() const { return suffix_.c_str(); }

 private:
  std::chrono::milliseconds interval_;
  Clock::time_point last_;
  bool passed_ = false;
  uint64_t left_out_ = 0;
  std::string suffix_;
};

}  // namespace kvd
