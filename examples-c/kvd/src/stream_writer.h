// SPDX-License-Identifier: Apache-2.0
// Buffered output to a socket.
#pragma once

#include <asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace kvd {

// Bytes are collected in buffer() and sent by flush(): at once as far as the socket takes them, the
// rest when it takes more. The socket must be in non-blocking mode.
class StreamWriter {
 public:
  explicit StreamWriter(asio::ip::tcp::socket &socket) : socket_(socket) {}

  // Called once, after an asynchronous write failed; flush() reports its own failures.
  void on_error(std::function<void()> handler) { on_error_ = std::move(handler); }
  // Called after each asynchronous write that emptied everything.
  void on_drained(std::function<void()> handler) { on_drained_ = std::move(handler); }

  std::string &buffer() { return collected_; }

  // Bytes that the socket has not taken yet.
  size_t queued() const { return collected_.size() + sending_.size() - sent_; }
  // Bytes that the socket took since the start.
  uint64_t written() const { return written_; }

  // False if the connection is broken. `owner` is kept alive while a write is under way.
  bool flush(std::shared_ptr<void> owner);

 private:
  void send_rest(std::shared_ptr<void> owner);

  asio::ip::tcp::socket &socket_;
  std::function<void()> on_error_;
  std::function<void()> on_drained_;
  std::string collected_;
  std::string sending_;  // not empty: an asynchronous write is under way
  size_t sent_ = 0;
  uint64_t written_ = 0;
};

}  // namespace kvd
