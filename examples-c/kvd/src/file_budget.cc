// SPDX-License-Identifier: Apache-2.0
#include "file_budget.h"

#include <sys/resource.h>

#include <algorithm>

namespace kvd {
namespace {

// Logs and files that are being written, the loop's own, an administrator's connections, and
// connections that are refused.
constexpr uint64_t other_files = 80;
// A connection each way, each once more while it is made anew.
constexpr uint64_t files_per_store = 4;
constexpr uint64_t most_table_files = 512;
constexpr uint64_t fewest_table_files = 32;

}  // namespace

FileBudget divide_files(uint64_t limit, uint64_t wanted_clients, uint64_t stores) {
  const uint64_t tables = std::clamp(limit / 4, fewest_table_files, most_table_files);
  const uint64_t reserved = tables + other_files + files_per_store * stores;
  const uint64_t left = limit > reserved ? limit - reserved : 0;
  return {std::max<uint64_t>(1, std::min(wanted_clients, left)), static_cast<int>(tables)};
}

uint64_t raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  rlimit raised = limit;
  raised.rlim_cur = raised.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

}  // namespace kvd
