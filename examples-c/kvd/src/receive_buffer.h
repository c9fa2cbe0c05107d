// SPDX-License-Identifier: Apache-2.0
// Received bytes that are not parsed yet.
#pragma once

#include <algorithm>
#include <asio/buffer.hpp>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace kvd {

// A contiguous queue of bytes: they come in behind and are taken off in front. New room is not
// cleared, and what is not parsed moves only when room is made.
class ReceiveBuffer {
 public:
  std::string_view view() const { return {bytes_.get() + begin_, end_ - begin_}; }
  bool empty() const { return begin_ == end_; }
  size_t capacity() const { return capacity_; }

  // Room for at least `size` more bytes. Views become invalid.
  asio::mutable_buffer prepare(size_t size) {
    if (capacity_ - end_ < size) make_room(size);
    return asio::buffer(bytes_.get() + end_, capacity_ - end_);
  }
  // The first `size` bytes of the prepared room have come in.
  void commit(size_t size) { end_ += size; }

  void consume(size_t size) {
    begin_ += size;
    if (begin_ == end_) begin_ = end_ = 0;
  }

  // Gives memory back if nothing is queued and there is more than `kept` of it.
  void shrink(size_t kept) {
    if (!empty() || capacity_ <= kept) return;
    bytes_.reset();
    capacity_ = 0;
  }

 private:
  void make_room(size_t size) {
    const size_t used = end_ - begin_;
    if (used + size <= capacity_ && used <= capacity_ / 2) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, used);
    } else {
      const size_t grown = std::max(used + size, 2 * used);
      auto bytes = std::make_unique_for_overwrite<char[]>(grown);
      if (used > 0) std::memcpy(bytes.get(), bytes_.get() + begin_, used);
      bytes_ = std::move(bytes);
      capacity_ = grown;
    }
    begin_ = 0;
    end_ = used;
  }

  std::unique_ptr<char[]> bytes_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace kvd
