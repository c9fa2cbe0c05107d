// SPDX-License-Identifier: Apache-2.0
// Raft messages between stores: connections to all others, and theirs to this one (handshake.h,
// frame.h).
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string_view>

#include "config.h"
#include "log_limit.h"
#include "peer_socket.h"

namespace kvd {

class PeerLink;
class Registry;

// Where a message came from.
struct MessageOrigin {
  uint64_t store_id = 0;
  uint64_t connection = 0;  // its number; a store that connects again has another one
};

// What the transport tells its Store. Called on the loop.
class TransportEvents {
 public:
  virtual ~TransportEvents() = default;
  // A message came in. False if it is none that stores send: the connection is closed.
  virtual bool on_message(const MessageOrigin &from, uint64_t region_id,
                          std::string_view message) = 0;
  // A message could not be sent to the store.
  virtual void on_unreachable(uint64_t region_id, uint64_t store_id) = 0;
  // A message that carries a snapshot was sent, or is lost.
  virtual void on_snapshot_sent(uint64_t region_id, uint64_t store_id, bool delivered) = 0;
  // The same: it is larger than what the store takes.
  virtual void on_snapshot_too_large(uint64_t region_id, uint64_t store_id, uint64_t limit) = 0;
};

class Transport {
 public:
  Transport(asio::io_context &loop, const Config &config, Registry &registry,
            TransportEvents &events);
  ~Transport();

  // Listens and starts to connect; throws std::system_error if the own address cannot be taken.
  void start();
  // Closes all connections.
  void stop();
  // Closes all connections, for new handshakes: this store is another one now.
  void reconnect();

  // Queues a message until flush(). It is lost if the store is not connected or its queue is full.
  void send(uint64_t store_id, uint64_t region_id, bool carries_snapshot, std::string_view message);
  void flush();

  size_t connected() const;
  bool connected(uint64_t store_id) const;

 private:
  // A connection that another store opened, or that somebody opened.
  struct Inbound {
    explicit Inbound(std::shared_ptr<PeerSocket> accepted, uint64_t connection_number)
        : socket(std::move(accepted)), number(connection_number) {}

    std::shared_ptr<PeerSocket> socket;
    uint64_t number;
    uint64_t from = 0;            // 0: during the handshake
    bool carries_frames = false;  // both stores are part of the cluster
  };

  asio::awaitable<void> accept_loop();
  asio::awaitable<void> serve(std::shared_ptr<Inbound> inbound);
  asio::awaitable<bool> shake_hands(Inbound &inbound, ReceiveBuffer &received);
  asio::awaitable<void> receive(Inbound &inbound, ReceiveBuffer &received);
  bool receive_frames(const Inbound &inbound, ReceiveBuffer &received, size_t &expected);
  void limit_strangers();
  void close_inbound();

  asio::io_context &loop_;
  const Config &config_;
  Registry &registry_;
  TransportEvents &events_;
  asio::ip::tcp::acceptor acceptor_;
  std::map<uint64_t, std::shared_ptr<PeerLink>> links_;
  uint64_t connections_made_ = 0;
  std::list<std::shared_ptr<Inbound>> strangers_;         // during their handshake, oldest first
  std::map<uint64_t, std::shared_ptr<Inbound>> inbound_;  // by the store that it is from
  LogLimit stranger_log_;
  // What each store causes; the stores are those of --cluster.
  struct StoreLog {
    LogLimit refused;
    LogLimit connected;
    LogLimit bad_bytes;
  };
  std::map<uint64_t, StoreLog> store_logs_;
};

// Binds and listens; `what` names the address in the error.
asio::ip::tcp::acceptor listen_on(asio::io_context &loop, const std::string &bind_host,
                                  const Address &address);

// How long bytes between stores may be on their way: a few election timeouts.
std::chrono::milliseconds peer_patience(const Config &config);

}  // namespace kvd
