// SPDX-License-Identifier: Apache-2.0
// Raft messages between stores: connections to all others, and theirs to this one (frame.h).
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>

#include "config.h"

namespace kvd {

class PeerLink;
class ReceiveBuffer;

// What the transport tells its Store. Called on the loop.
class TransportEvents {
 public:
  virtual ~TransportEvents() = default;
  // A message came in. False if it is not one: the connection is closed.
  virtual bool on_message(uint64_t region_id, std::string_view message) = 0;
  // A message could not be sent to the store.
  virtual void on_unreachable(uint64_t region_id, uint64_t store_id) = 0;
  // A message that carries a snapshot was sent, or is lost.
  virtual void on_snapshot_sent(uint64_t region_id, uint64_t store_id, bool delivered) = 0;
};

class Transport {
 public:
  Transport(asio::io_context &loop, const Config &config, TransportEvents &events);
  ~Transport();

  // Listens and starts to connect; throws std::system_error if the own address cannot be taken.
  void start();
  // Closes all connections.
  void stop();

  // Queues a message until flush(). It is lost if the store is not connected or its queue is full.
  void send(uint64_t store_id, uint64_t region_id, bool carries_snapshot, std::string_view message);
  void flush();

  size_t connected() const;

 private:
  asio::awaitable<void> accept_loop();
  asio::awaitable<void> receive(asio::ip::tcp::socket socket);
  bool receive_frames(ReceiveBuffer &received, size_t &expected);
  bool accept_handshake(std::string_view line, uint64_t &from) const;

  asio::io_context &loop_;
  const Config &config_;
  TransportEvents &events_;
  asio::ip::tcp::acceptor acceptor_;
  std::map<uint64_t, std::shared_ptr<PeerLink>> links_;
};

// Binds and listens; `what` names the address in the error.
asio::ip::tcp::acceptor listen_on(asio::io_context &loop, const std::string &bind_host,
                                  const Address &address);

}  // namespace kvd
