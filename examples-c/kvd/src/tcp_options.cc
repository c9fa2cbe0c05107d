// SPDX-License-Identifier: Apache-2.0
#include "tcp_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace kvd {
namespace {

void set(int handle, int level, int name, int value) {
  // A socket without the option works as well, and notices later.
  [[maybe_unused]] const int result = setsockopt(handle, level, name, &value, sizeof value);
}

}  // namespace

void set_tcp_patience(int handle, const TcpPatience &patience) {
  set(handle, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_KEEPIDLE
  set(handle, IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(patience.idle.count()));
  set(handle, IPPROTO_TCP, TCP_KEEPINTVL, static_cast<int>(patience.interval.count()));
  set(handle, IPPROTO_TCP, TCP_KEEPCNT, patience.questions);
#endif
#ifdef TCP_USER_TIMEOUT
  set(handle, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(patience.unacknowledged.count()));
#endif
}

}  // namespace kvd
