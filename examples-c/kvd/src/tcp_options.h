// SPDX-License-Identifier: Apache-2.0
// What TCP does about another end that has vanished.
#pragma once

#include <chrono>

namespace kvd {

struct TcpPatience {
  std::chrono::milliseconds unacknowledged{};  // what was sent, until the connection ends
  std::chrono::seconds idle{};                 // without a byte, until the kernel asks
  std::chrono::seconds interval{};             // between its questions
  int questions = 3;
};

// `handle` is a TCP socket's; where the kernel lacks one of the options it does without.
void set_tcp_patience(int handle, const TcpPatience &patience);

}  // namespace kvd
