// SPDX-License-Identifier: Apache-2.0
// Buffered output to a socket.
#pragma once

#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace kvd {

// Bytes are collected in buffer() and sent by flush(): at once as far as the socket takes them, the
// rest when it takes more. The socket must be in non-blocking mode.
template <typename Socket>
class StreamWriter {
 public:
  explicit StreamWriter(Socket &socket) : socket_(socket) {}

  // Called once, after an asynchronous write failed; flush() reports its own failures.
  void on_error(std::function<void()> handler) { on_error_ = std::move(handler); }
  // Called after each asynchronous write that emptied everything.
  void on_drained(std::function<void()> handler) { on_drained_ = std::move(handler); }

  std::string &buffer() { return collected_; }

  // Bytes that the socket has not taken yet.
  size_t queued() const { return collected_.size() + sending_.size() - sent_; }
  // Bytes that the socket took since the start.
  uint64_t written() const { return written_; }

  // The memory that the buffers take.
  size_t capacity() const { return collected_.capacity() + sending_.capacity(); }
  // Gives memory back if nothing is queued and there is more than `kept` of it.
  void shrink(size_t kept) {
    for (std::string *buffer : {&collected_, &sending_}) {
      if (queued() == 0 && buffer->capacity() > kept) std::string().swap(*buffer);
    }
  }

  // False if the connection is broken. `owner` is kept alive while a write is under way.
  bool flush(std::shared_ptr<void> owner);

 private:
  static constexpr size_t kept_capacity = 1 << 20;

  void send_rest(std::shared_ptr<void> owner);
  static void clear_buffer(std::string &buffer) {
    buffer.clear();
    if (buffer.capacity() > kept_capacity) buffer.shrink_to_fit();
  }

  Socket &socket_;
  std::function<void()> on_error_;
  std::function<void()> on_drained_;
  std::string collected_;
  std::string sending_;  // not empty: an asynchronous write is under way
  size_t sent_ = 0;
  uint64_t written_ = 0;
};

template <typename Socket>
bool StreamWriter<Socket>::flush(std::shared_ptr<void> owner) {
  if (!sending_.empty() || collected_.empty()) return true;
  std::error_code problem;
  const size_t taken = socket_.write_some(asio::buffer(collected_), problem);
  if (problem && problem != asio::error::would_block && problem != asio::error::try_again) {
    return false;
  }
  written_ += taken;
  if (taken == collected_.size()) {
    clear_buffer(collected_);
    return true;
  }
  sending_.swap(collected_);
  sent_ = taken;
  send_rest(std::move(owner));
  return true;
}

template <typename Socket>
void StreamWriter<Socket>::send_rest(std::shared_ptr<void> owner) {
  socket_.async_write_some(
      asio::buffer(sending_.data() + sent_, sending_.size() - sent_),
      [this, owner = std::move(owner)](std::error_code problem, size_t taken) mutable {
        sent_ += taken;
        written_ += taken;
        if (problem) {
          if (on_error_) on_error_();
          return;
        }
        if (sent_ < sending_.size()) return send_rest(std::move(owner));
        sent_ = 0;
        clear_buffer(sending_);
        if (!flush(owner)) {
          if (on_error_) on_error_();
        } else if (sending_.empty() && on_drained_) {
          on_drained_();
        }
      });
}

}  // namespace kvd
