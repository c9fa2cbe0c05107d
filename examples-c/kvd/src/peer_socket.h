// SPDX-License-Identifier: Apache-2.0
// What both ends of a connection between stores do with their socket.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "receive_buffer.h"

namespace kvd {

using PeerSocket = asio::ip::tcp::socket;

// Small writes go out at once; a connection whose other end is gone ends soon: what was sent is
// acknowledged within `patience`, and a silent other end answers the kernel's questions.
void tune_peer_socket(PeerSocket &socket, std::chrono::milliseconds patience);

// Closes the socket after `limit`, unless it is destroyed before.
class SocketDeadline {
 public:
  SocketDeadline(const std::shared_ptr<PeerSocket> &socket, std::chrono::milliseconds limit);

 private:
  asio::steady_timer timer_;
};

// Reads more bytes behind those in `received`, `wanted` if that many are known to be on their way.
// False at the end of the connection.
asio::awaitable<bool> read_more(PeerSocket &socket, ReceiveBuffer &received, size_t wanted);

// The next line without its end; nullopt at the end of the connection, or if it has more than
// max_handshake_line bytes.
asio::awaitable<std::optional<std::string>> read_line(PeerSocket &socket, ReceiveBuffer &received);

// False at the end of the connection. The bytes must outlive the call, and be no temporary: GCC 12
// destroys those of an awaited expression twice.
asio::awaitable<bool> write_all(PeerSocket &socket, const std::string &bytes);

}  // namespace kvd
