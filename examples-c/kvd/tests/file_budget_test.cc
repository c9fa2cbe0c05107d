// SPDX-License-Identifier: Apache-2.0
#include "file_budget.h"

#include <gtest/gtest.h>

namespace kvd {
namespace {

TEST(FileBudget, ClientsGetWhatTheOthersDoNotNeed) {
  EXPECT_EQ(divide_files(1 << 20, 10000, 3).max_clients, 10000u);
  EXPECT_LT(divide_files(1024, 10000, 3).max_clients, 1024u);
  EXPECT_GT(divide_files(1024, 10000, 3).max_clients, 500u);
  EXPECT_EQ(divide_files(1024, 50, 3).max_clients, 50u);
  for (uint64_t limit = 128; limit < 5000; ++limit) {
    const FileBudget budget = divide_files(limit, 10000, 5);
    ASSERT_GE(budget.max_clients, 1u);
    ASSERT_GE(budget.max_open_files, 32);
    if (limit >= 256) {
      ASSERT_LE(budget.max_clients + static_cast<uint64_t>(budget.max_open_files) + 100, limit);
    }
  }
}

}  // namespace
}  // namespace kvd
