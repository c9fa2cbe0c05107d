// SPDX-License-Identifier: Apache-2.0
//
// The same in C++.
#include <iostream>
#include <raftcore.hpp>

int main() {
  const raftcore::Members members({1});
  raftcore::Node node = raftcore::Node::in_memory(raftcore::config(1), &members);
  std::uint64_t applied = 0;
  node.campaign();
  while (node.process([&](const raftcore::Ready &ready) {
    for (const raft_entry &entry : ready.committed_entries()) applied = entry.index;
  })) {
  }
  std::cout << "raftcore " << raft_version() << " applied " << applied << "\n";
}
