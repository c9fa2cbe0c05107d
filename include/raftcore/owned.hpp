// SPDX-License-Identifier: Apache-2.0
#ifndef RAFTCORE_OWNED_HPP
#define RAFTCORE_OWNED_HPP

#include "detail.hpp"

namespace raftcore {

/// Something that the library has decoded, and what shows it. Moved, not copied.
template <typename Buffer, typename View, raft_status (*Show)(const Buffer *, View *), void (*Free)(Buffer *)>
class Owned {
 public:
  /// Takes over a handle.
  explicit Owned(Buffer *buffer) noexcept : buffer_(buffer) {}

  /// Borrows from this object.
  View view() const {
    return detail::filled<View>([&](View *out) { return Show(buffer_.get(), out); });
  }

  /// What is underneath.
  const Buffer *handle() const noexcept { return buffer_.get(); }

 private:
  detail::Handle<Buffer, Free> buffer_;
};

}  // namespace raftcore

#endif  // RAFTCORE_OWNED_HPP
