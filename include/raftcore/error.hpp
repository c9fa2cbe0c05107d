// SPDX-License-Identifier: Apache-2.0
#ifndef RAFTCORE_ERROR_HPP
#define RAFTCORE_ERROR_HPP

#include <stdexcept>
#include <string>

#include "../raftcore.h"

#if defined(__GNUC__) && !defined(__EXCEPTIONS)
#error "raftcore.hpp reports errors by exceptions. Compile with -fexceptions, or use raftcore.h, whose functions return a raft_status."
#endif

// An exception is one type for all shared objects of a program, also if they are compiled with
// -fvisibility=hidden: else one of them would not catch what another throws.
#if defined(__GNUC__)
#define RAFTCORE_EXCEPTION __attribute__((visibility("default")))
#else
#define RAFTCORE_EXCEPTION
#endif

namespace raftcore {

/// A status that is not RAFT_OK. what() is its detail.
class RAFTCORE_EXCEPTION Error : public std::runtime_error {
 public:
  /// With the words of raft_status_message() as its detail.
  explicit Error(raft_status status) : Error(status, raft_status_message(status)) {}
  /// With a detail of its own.
  Error(raft_status status, const std::string &detail)
      : std::runtime_error(detail), status_(status) {}

  /// Which error it is: RAFT_ERR_STORAGE and so on.
  raft_status status() const noexcept { return status_; }

 private:
  raft_status status_;
};

/// Detail of the last error on a node; of this thread's last error without a node if it is null.
inline std::string last_error(raft_node *node) {
  std::size_t needed = 0;
  if (raft_node_last_error(node, nullptr, 0, &needed) != RAFT_OK || needed <= 1) {
    return {};
  }
  std::string text(needed, '\0');
  // Another thread's error may have taken its place meanwhile: what does not fit is cut off.
  if (raft_node_last_error(node, text.data(), text.size(), nullptr) != RAFT_OK) {
    return {};
  }
  text.resize(std::char_traits<char>::length(text.c_str()));
  return text;
}

/// Throws Error unless `status` is RAFT_OK. `node` is whose call it was, null if no node's.
inline void check(raft_status status, raft_node *node = nullptr) {
  if (status != RAFT_OK) {
    const std::string detail = last_error(node);
    throw detail.empty() ? Error(status) : Error(status, detail);
  }
}

}  // namespace raftcore

#endif  // RAFTCORE_ERROR_HPP
