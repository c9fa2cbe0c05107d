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
#include "handshake.h"
#include "log.h"
#include "registry.h"

namespace kvd {
namespace {

using asio::ip::tcp;
using std::chrono::milliseconds;

constexpr size_t max_queue_bytes = 64 << 20;
constexpr milliseconds first_backoff{50};
constexpr milliseconds longest_backoff{1000};
// A connection that lasted this long was of use: the next one may follow at once.
constexpr milliseconds useful_life{5000};
constexpr milliseconds connect_timeout{2000};
constexpr milliseconds handshake_timeout{5000};

}  // namespace

PeerLink::PeerLink(asio::io_context &loop, const Config &config, const Member &member,
                   Registry &registry, TransportEvents &events)
    : loop_(loop),
      config_(config),
      member_(member),
      registry_(registry),
      events_(events),
      backoff_(loop) {}

void PeerLink::start() {
  asio::co_spawn(
      loop_, [self = shared_from_this()] { return self->run(); }, asio::detached);
}

void PeerLink::stop() {
  stopped_ = true;
  reconnect();
}

void PeerLink::reconnect() {
  backoff_.cancel();
  std::error_code ignored;
  if (socket_) socket_->close(ignored);
}

asio::awaitable<void> PeerLink::run() {
  milliseconds backoff = first_backoff;
  while (!stopped_) {
    const auto began = std::chrono::steady_clock::now();
    socket_ = co_await connect();
    if (stopped_) break;
    if (socket_ == nullptr) {
      complain("cannot connect, trying on", false);
    } else {
      const auto connection = co_await shake_hands(socket_);
      if (connection != nullptr) co_await use(connection);
    }
    std::error_code ignored;
    if (socket_) socket_->close(ignored);
    if (stopped_) break;
    if (std::chrono::steady_clock::now() - began >= useful_life) backoff = first_backoff;
    backoff_.expires_after(backoff);
    co_await backoff_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    backoff = ignored ? first_backoff : std::min(2 * backoff, longest_backoff);
  }
}

void PeerLink::complain(const std::string &problem, bool is_error) {
  if (!complaint_log_.passes()) return;
  if (is_error) {
    KVD_LOG(error, "store %" PRIu64 " at %s: %s%s", member_.id, member_.peer.text().c_str(),
            problem.c_str(), complaint_log_.suffix());
  } else {
    KVD_LOG(info, "store %" PRIu64 " at %s: %s%s", member_.id, member_.peer.text().c_str(),
            problem.c_str(), complaint_log_.suffix());
  }
}

asio::awaitable<std::shared_ptr<PeerSocket>> PeerLink::connect() {
  std::error_code problem;
  tcp::resolver resolver(loop_);
  const auto found =
      co_await resolver.async_resolve(member_.peer.host, std::to_string(member_.peer.port),
                                      asio::redirect_error(asio::use_awaitable, problem));
  if (problem) co_return nullptr;
  const auto socket = std::make_shared<PeerSocket>(loop_);
  const SocketDeadline deadline(socket, connect_timeout);
  co_await asio::async_connect(*socket, found, asio::redirect_error(asio::use_awaitable, problem));
  if (problem || !socket->is_open()) co_return nullptr;
  socket->non_blocking(true, problem);
  if (problem) co_return nullptr;
  tune_peer_socket(*socket, peer_patience(config_));
  co_return socket;
}

asio::awaitable<std::shared_ptr<PeerLink::Connection>> PeerLink::shake_hands(
    std::shared_ptr<PeerSocket> socket) {
  const SocketDeadline deadline(socket, handshake_timeout);
  ReceiveBuffer received;
  Handshake handshake(config_.peer_secret);
  const Hello hello{config_.cluster_id, config_.id, member_.id};
  const std::string first = handshake.hello(hello);
  if (!co_await write_all(*socket, first)) co_return nullptr;
  const auto challenge = co_await read_line(*socket, received);
  if (!challenge || !handshake.read_challenge(*challenge)) {
    complain(challenge ? "it has another secret (--peer-secret-file)"
                       : "it closed the connection at the handshake: another --cluster-id, or a "
                         "--cluster without this store",
             true);
    co_return nullptr;
  }
  const StoreFacts own = registry_.facts();
  const std::string third = handshake.facts(own);
  if (!co_await write_all(*socket, third)) co_return nullptr;
  const auto answer = co_await read_line(*socket, received);
  if (!answer) co_return nullptr;
  if (const auto refusal = read_refusal(*answer)) {
    complain("it refuses this store: " + refusal->reason, !refusal->waits);
    co_return nullptr;
  }
  const auto theirs = handshake.read_facts(*answer);
  if (!theirs || !socket->is_open()) co_return nullptr;
  const Verdict verdict = registry_.meet(member_.id, *theirs);
  if (verdict.admission == Admission::refuse || verdict.admission == Admission::wait) {
    complain(verdict.reason, verdict.admission == Admission::refuse);
    co_return nullptr;
  }
  if (!socket->is_open()) co_return nullptr;
  auto connection = std::make_shared<Connection>(socket);
  connection->max_message_bytes = theirs->max_message_bytes;
  connection->carries_frames = !own.birth.empty() && !theirs->birth.empty();
  co_return connection;
}

asio::awaitable<void> PeerLink::use(std::shared_ptr<Connection> connection) {
  connection->writer.on_error([connection = connection.get()] { connection->socket.close(); });
  connection->writer.on_drained([this] { report_sent_snapshots(); });
  if (connection->carries_frames) {
    connection_ = connection;
    if (link_log_.passes()) {
      KVD_LOG(info, "connected to store %" PRIu64 " at %s%s", member_.id,
              member_.peer.text().c_str(), link_log_.suffix());
    }
  }
  co_await wait_for_end(connection);
  lost(connection);
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
  if (connection->carries_frames) complain("lost the connection", false);
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
  if (message.size() > connection_->max_message_bytes) {
    if (carries_snapshot) {
      events_.on_snapshot_too_large(region_id, member_.id, connection_->max_message_bytes);
    } else {
      complain("it takes no message of " + std::to_string(message.size()) + " bytes", true);
      events_.on_unreachable(region_id, member_.id);
    }
    return;
  }
  StreamWriter<PeerSocket> &writer = connection_->writer;
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
