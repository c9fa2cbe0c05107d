// SPDX-License-Identifier: Apache-2.0
// Reads of many keys, which are executed beside the loop: one at a time, and the clients take
// turns, however many each has asked for.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "waiter.h"

namespace kvd {

class LongReads {
 public:
  using Done = std::function<void()>;
  // Begins the read, and calls `done` when it is answered.
  using Read = std::function<void(Done done)>;

  // Puts a read behind the others of its client.
  void add(const std::shared_ptr<ReplySink> &client, Read read);

  // Begins the next read, unless one is under way: that of the client whose turn it is, of those
  // that take replies. Does nothing if the store has no memory for its reply.
  void go_on(bool has_memory);

  size_t waiting() const;

 private:
  struct Client {
    std::shared_ptr<ReplySink> sink;
    std::deque<Read> reads;
  };

  // In the order of their turns.
  std::deque<Client> clients_;
  bool running_ = false;
};

}  // namespace kvd
