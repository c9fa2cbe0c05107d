// SPDX-License-Identifier: Apache-2.0
#ifndef RAFTCORE_VIEW_HPP
#define RAFTCORE_VIEW_HPP

#include <cstddef>
#include <iterator>
#include <string_view>
#include <type_traits>
#include <utility>

#include "../raftcore.h"

namespace raftcore {

/// An array that somebody else owns. A std::span<const T> can be made of it, and it of any container
/// that has data() and size().
template <typename T>
class Span {
 public:
  using value_type = T;                ///< Of an element.
  using const_iterator = const T *;    ///< Of an element's place.

  constexpr Span() noexcept = default;
  /// Borrows an array.
  constexpr Span(const T *data, std::size_t size) noexcept : data_(data), size_(size) {}
  /// Borrows what a container of T holds.
  template <typename Container, typename = std::enable_if_t<std::is_same_v<
                                    decltype(std::data(std::declval<const Container &>())), const T *>>>
  constexpr Span(const Container &elements) noexcept : Span(std::data(elements), std::size(elements)) {}

  /// The first element; may be null if there is none.
  constexpr const T *data() const noexcept { return data_; }
  /// How many there are.
  constexpr std::size_t size() const noexcept { return size_; }
  /// Whether there is none.
  constexpr bool empty() const noexcept { return size_ == 0; }
  /// For loops.
  constexpr const T *begin() const noexcept { return data_; }
  /// For loops.
  constexpr const T *end() const noexcept { return data_ + size_; }
  /// An element; `at` is less than size().
  constexpr const T &operator[](std::size_t at) const { return data_[at]; }
  /// The first element of one or more.
  constexpr const T &front() const { return data_[0]; }
  /// The last element of one or more.
  constexpr const T &back() const { return data_[size_ - 1]; }

 private:
  const T *data_ = nullptr;
  std::size_t size_ = 0;
};

/// The bytes of a slice, borrowed.
inline std::string_view view(raft_slice slice) noexcept {
  return {reinterpret_cast<const char *>(slice.data), slice.len};
}

/// Bytes as the library takes them, borrowed.
inline raft_slice slice(std::string_view bytes) noexcept {
  return raft_slice_of(bytes.data(), bytes.size());
}

}  // namespace raftcore

#endif  // RAFTCORE_VIEW_HPP
