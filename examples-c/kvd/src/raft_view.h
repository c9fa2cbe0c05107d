// SPDX-License-Identifier: Apache-2.0
// Bytes of the Raft library as string views, and back.
#pragma once

#include <raftcore.h>

#include <string_view>

namespace kvd {

inline std::string_view view_of(const raft_slice &slice) {
  return {reinterpret_cast<const char *>(slice.data), slice.len};
}

inline raft_slice raft_view(std::string_view text) {
  return ::raft_slice_of(text.data(), text.size());
}

}  // namespace kvd
