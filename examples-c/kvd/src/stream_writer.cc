// SPDX-License-Identifier: Apache-2.0
#include "stream_writer.h"

#include <asio/buffer.hpp>
#include <asio/error.hpp>

namespace kvd {
namespace {

constexpr size_t kept_capacity = 1 << 20;

void clear_buffer(std::string &buffer) {
  buffer.clear();
  if (buffer.capacity() > kept_capacity) buffer.shrink_to_fit();
}

}  // namespace

bool StreamWriter::flush(std::shared_ptr<void> owner) {
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

void StreamWriter::send_rest(std::shared_ptr<void> owner) {
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
