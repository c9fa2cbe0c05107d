// SPDX-License-Identifier: Apache-2.0
// The connection to one other store: opened, opened again after a failure, and only written to.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <string_view>

#include "stream_writer.h"
#include "transport.h"

namespace kvd {

class PeerLink : public std::enable_shared_from_this<PeerLink> {
 public:
  PeerLink(asio::io_context &loop, const Config &config, const Member &member, Registry &registry,
           TransportEvents &events);

  void start();
  void stop();
  // Ends the connection and begins another one at once.
  void reconnect();

  void send(uint64_t region_id, bool carries_snapshot, std::string_view message);
  void flush();
  // Whether messages can be sent: the other store has accepted this one.
  bool connected() const { return connection_ != nullptr; }

 private:
  // One life of the connection. A snapshot counts as delivered once the socket took its last byte.
  struct Connection {
    explicit Connection(std::shared_ptr<PeerSocket> connected)
        : kept(std::move(connected)), socket(*kept), writer(socket) {}

    struct SnapshotMark {
      uint64_t region_id;
      uint64_t end;  // in bytes written since the start
    };

    std::shared_ptr<PeerSocket> kept;
    PeerSocket &socket;
    StreamWriter<PeerSocket> writer;
    std::deque<SnapshotMark> snapshots;
    uint64_t max_message_bytes = 0;  // what the other side takes
    bool carries_frames = false;     // both stores are part of the cluster
  };

  asio::awaitable<void> run();
  asio::awaitable<std::shared_ptr<PeerSocket>> connect();
  asio::awaitable<std::shared_ptr<Connection>> shake_hands(std::shared_ptr<PeerSocket> socket);
  asio::awaitable<void> use(std::shared_ptr<Connection> connection);
  void complain(const std::string &problem, bool is_error);
  asio::awaitable<void> wait_for_end(std::shared_ptr<Connection> connection);
  void lost(const std::shared_ptr<Connection> &connection);
  void report_sent_snapshots();

  asio::io_context &loop_;
  const Config &config_;
  const Member &member_;
  Registry &registry_;
  TransportEvents &events_;
  asio::steady_timer backoff_;
  std::shared_ptr<PeerSocket> socket_;  // the one that is in use, or that a handshake goes on with
  std::shared_ptr<Connection> connection_;  // nullptr: not connected, or it carries no frames
  LogLimit link_log_;
  LogLimit complaint_log_;
  bool stopped_ = false;
};

}  // namespace kvd
