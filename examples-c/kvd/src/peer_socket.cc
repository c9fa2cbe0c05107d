// SPDX-License-Identifier: Apache-2.0
#include "peer_socket.h"

#include <algorithm>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include "handshake.h"
#include "tcp_options.h"

namespace kvd {
namespace {

constexpr size_t read_bytes = 256 << 10;

}  // namespace

void tune_peer_socket(PeerSocket &socket, std::chrono::milliseconds patience) {
  using std::chrono::seconds;
  std::error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  set_tcp_patience(socket.native_handle(), {patience, seconds(3), seconds(1), 3});
}

SocketDeadline::SocketDeadline(const std::shared_ptr<PeerSocket> &socket,
                               std::chrono::milliseconds limit)
    : timer_(socket->get_executor(), limit) {
  // The handler may be queued when this object is gone.
  timer_.async_wait([socket](std::error_code cancelled) {
    std::error_code ignored;
    if (!cancelled) socket->close(ignored);
  });
}

asio::awaitable<bool> read_more(PeerSocket &socket, ReceiveBuffer &received, size_t wanted) {
  // A size that a header claims is not made room for at once: memory follows what really comes.
  const size_t most = std::max(read_bytes, received.view().size());
  const auto room = received.prepare(std::clamp(wanted, read_bytes, most));
  std::error_code problem;
  const size_t got =
      co_await socket.async_read_some(room, asio::redirect_error(asio::use_awaitable, problem));
  received.commit(got);
  co_return !problem;
}

asio::awaitable<std::optional<std::string>> read_line(PeerSocket &socket, ReceiveBuffer &received) {
  while (true) {
    const size_t end = received.view().substr(0, max_handshake_line).find('\n');
    if (end != std::string_view::npos) {
      std::string line(received.view().substr(0, end));
      received.consume(end + 1);
      co_return line;
    }
    if (received.view().size() >= max_handshake_line) co_return std::nullopt;
    std::error_code problem;
    const size_t got = co_await socket.async_read_some(
        received.prepare(max_handshake_line), asio::redirect_error(asio::use_awaitable, problem));
    received.commit(got);
    if (problem) co_return std::nullopt;
  }
}

asio::awaitable<bool> write_all(PeerSocket &socket, const std::string &bytes) {
  std::error_code problem;
  co_await asio::async_write(socket, asio::buffer(bytes),
                             asio::redirect_error(asio::use_awaitable, problem));
  co_return !problem;
}

}  // namespace kvd
