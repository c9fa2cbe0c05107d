// SPDX-License-Identifier: Apache-2.0
#include "file_budget.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tcp_options.h"

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

TEST(TcpOptions, ConnectionsOfVanishedPeersEnd) {
  const int handle = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_GE(handle, 0);
  set_tcp_patience(handle, {std::chrono::milliseconds(2500), std::chrono::seconds(7),
                            std::chrono::seconds(3), 4});
  const auto option = [&](int level, int name) {
    int value = 0;
    socklen_t size = sizeof value;
    EXPECT_EQ(getsockopt(handle, level, name, &value, &size), 0);
    return value;
  };
  EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), 7);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPINTVL), 3);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPCNT), 4);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_USER_TIMEOUT), 2500);
  close(handle);
}

}  // namespace
}  // namespace kvd
