// SPDX-License-Identifier: Apache-2.0
#include "peer_link.h"

#include <algorithm>
#include <array>
#include <asio/co_spawn.hpp>
#include <asio/connect.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <cinttypes>

#include "frame.h"

namespace kvd {
namespace {

using asio::ip::tcp;
using std::chrono::milliseconds;

constexpr size_t max_queue_bytes = 64 << 20;
constexpr milliseconds first_backoff{50};
constexpr milliseconds longest_backoff{1000};
constexpr milliseconds connect_timeout{2000};

}  // namespace

PeerLink::PeerLink(asio::io_context &loop, const Config &config, const Member &member,
                   TransportEvents &events)
    : loop_(loop), config_(config), member_(member), events_(events), backoff_(loop) {}

void PeerLink::start() {
  asio::co_spawn(
      loop_, [self = shared_from_this()] { return self->run(); }, asio::detached);
}

void PeerLink::stop() {
  stopped_ = true;
  backoff_.cancel();
  if (connection_) connection_->socket.close();
}

asio::awaitable<void> PeerLink::run() {
  milliseconds backoff = first_backoff;
  bool reported = false;
  while (!stopped_) {
    auto socket = co_await connect();
    if (stopped_) break;
    if (socket) {
      auto connection = std::make_shared<Connection>(std::move(*socket));
      connection->writer.on_error([connection = connection.get()] { connection->socket.close(); });
      connection->writer.on_drained([this] { report_sent_snapshots(); });
      connection->writer.buffer() = encode_handshake({config_.cluster_id, config_.id, member_.id});
      connection_ = connection;
      KVD_LOG(info, "connected to store %" PRIu64 " at %s", member_.id,
              member_.peer.text().c_str());
      flush();
      co_await wait_for_end(connection);
      lost(connection);
      backoff = first_backoff;
      reported = false;
    } else if (!reported) {
      KVD_LOG(info, "cannot connect to store %" PRIu64 " at %s, trying on", member_.id,
              member_.peer.text().c_str());
      reported = true;
    }
    if (stopped_) break;
    backoff_.expires_after(backoff);
    std::error_code ignored;
    co_await backoff_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    backoff = std::min(2 * backoff, longest_backoff);
  }
}

asio::awaitable<std::optional<tcp::socket>> PeerLink::connect() {
  std::error_code problem;
  tcp::resolver resolver(loop_);
  const auto found =
      co_await resolver.async_resolve(member_.peer.host, std::to_string(member_.peer.port),
                                      asio::redirect_error(asio::use_awaitable, problem));
  if (problem) co_return std::nullopt;
  // Shared with the deadline, whose handler may be queued when this coroutine ends.
  const auto socket = std::make_shared<tcp::socket>(loop_);
  asio::steady_timer deadline(loop_, connect_timeout);
  deadline.async_wait([socket](std::error_code cancelled) {
    std::error_code ignored;
    if (!cancelled) socket->close(ignored);
  });
  co_await asio::async_connect(*socket, found, asio::redirect_error(asio::use_awaitable, problem));
  if (deadline.cancel() == 0 || problem) co_return std::nullopt;
  socket->non_blocking(true, problem);
  if (!problem) socket->set_option(tcp::no_delay(true), problem);
  if (problem) co_return std::nullopt;
  co_return std::move(*socket);
}

// The other side sends nothing: what can be read is the end of the connection.
asio::awaitable<void> PeerLink::wait_for_end(std::shared_ptr<Connection> connection) {
  std::array<char, 64> ignored_bytes;
  std::error_code problem;
  while (!problem) {
    co_await connection->socket.async_read_some(asio::buffer(ignored_bytes),
                                                asio::redirect_error(asio::use_awaitable, problem));
  }
}

void PeerLink::lost(const std::shared_ptr<Connection> &connection) {
  connection_.reset();
  std::error_code ignored;
  connection->socket.close(ignored);
  if (stopped_) return;
  KVD_LOG(info, "lost the connection to store %" PRIu64, member_.id);
  for (const auto &mark : connection->snapshots) {
    events_.on_snapshot_sent(mark.region_id, member_.id, false);
  }
}

void PeerLink::send(uint64_t region_id, bool carries_snapshot, std::string_view message) {
  // One message is always taken, so that a snapshot may be larger than the queue.
  const bool full = connection_ != nullptr && connection_->writer.queued() > 0 &&
                    connection_->writer.queued() + message.size() > max_queue_bytes;
  if (connection_ == nullptr || full) {
    if (carries_snapshot) {
      events_.on_snapshot_sent(region_id, member_.id, false);
    } else {
      events_.on_unreachable(region_id, member_.id);
    }
    return;
  }
  StreamWriter &writer = connection_->writer;
  append_frame(writer.buffer(), region_id, message);
  if (carries_snapshot) {
    connection_->snapshots.push_back({region_id, writer.written() + writer.queued()});
  }
}

void PeerLink::flush() {
  if (connection_ == nullptr) return;
  const auto connection = connection_;
  if (!connection->writer.flush(connection)) {
    std::error_code ignored;
    connection->socket.close(ignored);
    return;
  }
  report_sent_snapshots();
}

void PeerLink::report_sent_snapshots() {
  if (connection_ == nullptr) return;
  auto &marks = connection_->snapshots;
  while (!marks.empty() && marks.front().end <= connection_->writer.written()) {
    events_.on_snapshot_sent(marks.front().region_id, member_.id, true);
    marks.pop_front();
  }
}

}  // namespace kvd
