// SPDX-License-Identifier: Apache-2.0
// The connection to one other store: opened, opened again after a failure, and only written to.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>

#include "stream_writer.h"
#include "transport.h"

namespace kvd {

class PeerLink : public std::enable_shared_from_this<PeerLink> {
 public:
  PeerLink(asio::io_context &loop, const Config &config, const Member &member,
           TransportEvents &events);

  void start();
  void stop();

  void send(uint64_t region_id, bool carries_snapshot, std::string_view message);
  void flush();
  bool connected() const { return connection_ != nullptr; }

 private:
  // One life of the connection. A snapshot counts as delivered once the socket took its last byte.
  struct Connection {
    explicit Connection(asio::ip::tcp::socket connected)
        : socket(std::move(connected)), writer(socket) {}

    struct SnapshotMark {
      uint64_t region_id;
      uint64_t end;  // in bytes written since the start
    };

    asio::ip::tcp::socket socket;
    StreamWriter writer;
    std::deque<SnapshotMark> snapshots;
  };

  asio::awaitable<void> run();
  asio::awaitable<std::optional<asio::ip::tcp::socket>> connect();
  asio::awaitable<void> wait_for_end(std::shared_ptr<Connection> connection);
  void lost(const std::shared_ptr<Connection> &connection);
  void report_sent_snapshots();

  asio::io_context &loop_;
  const Config &config_;
  const Member &member_;
  TransportEvents &events_;
  asio::steady_timer backoff_;
  std::shared_ptr<Connection> connection_;  // nullptr: not connected
  bool stopped_ = false;
};

}  // namespace kvd
