// SPDX-License-Identifier: Apache-2.0
//
// What the other headers share; not for users.
#ifndef RAFTCORE_DETAIL_HPP
#define RAFTCORE_DETAIL_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "error.hpp"
#include "view.hpp"

namespace raftcore::detail {

template <typename T, typename = void>
struct StatesItsSize : std::false_type {};
template <typename T>
struct StatesItsSize<T, std::void_t<decltype(T::struct_size)>> : std::true_type {};

// What a call fills in, on its success.
template <typename T, typename Fill>
T filled(Fill &&fill, raft_node *node = nullptr) {
  T out{};
  if constexpr (StatesItsSize<T>::value) {
    out.struct_size = sizeof out;
  }
  check(fill(&out), node);
  return out;
}

// Bytes of a size that is only known when it is asked for.
template <typename Fill>
std::string sized(Fill &&fill) {
  std::string bytes;
  std::size_t needed = 0;
  raft_status status = fill(nullptr, std::size_t{0}, &needed);
  if (status == RAFT_ERR_TOO_LARGE) {
    bytes.resize(needed);
    status = fill(reinterpret_cast<std::uint8_t *>(bytes.data()), bytes.size(), &needed);
  }
  check(status);
  return bytes;
}

// What the library owns until the handle goes.
template <typename T, void (*Free)(T *)>
struct Freed {
  void operator()(T *handle) const noexcept { Free(handle); }
};
template <typename T, void (*Free)(T *)>
using Handle = std::unique_ptr<T, Freed<T, Free>>;

// Bytes of any container, given away: the library calls back when it needs them no more.
template <typename T>
struct Given {
  static_assert(sizeof(*std::declval<T &>().data()) == 1, "a container of bytes");
  explicit Given(T &&data) : owner(new T(std::move(data))) {}
  raft_slice bytes() const noexcept { return raft_slice_of(owner->data(), owner->size()); }
  static void release(void *context) noexcept { delete static_cast<T *>(context); }
  // To be called as the last argument: from here on the library is the owner.
  void *context() noexcept { return owner.release(); }

  std::unique_ptr<T> owner;
};

// Runs a callback's body. Exceptions end here and become a status: the caller is no C++, and an exception
// that reached it would end the process.
template <typename Body>
raft_status guard(Body &&body) noexcept {
  try {
    std::forward<Body>(body)();
    return RAFT_OK;
  } catch (const Error &error) {
    return error.status() != RAFT_OK ? error.status() : RAFT_ERR_IO;
  } catch (...) {
    return RAFT_ERR_IO;
  }
}

}  // namespace raftcore::detail

#endif  // RAFTCORE_DETAIL_HPP
