// SPDX-License-Identifier: Apache-2.0
// What a process does with its file descriptors: a client must not take the one that the database
// needs next.
#pragma once

#include <cstdint>

namespace kvd {

struct FileBudget {
  uint64_t max_clients = 0;
  int max_open_files = 0;  // of the database's table files
};

// How `limit` descriptors are divided if `wanted_clients` are welcome and there are `stores`.
FileBudget divide_files(uint64_t limit, uint64_t wanted_clients, uint64_t stores);

// Raises the process's own limit as far as it may be, and returns it.
uint64_t raise_file_limit();

}  // namespace kvd
