// SPDX-License-Identifier: Apache-2.0
#include "transport.h"

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <cinttypes>

#include "frame.h"
#include "peer_link.h"
#include "receive_buffer.h"

namespace kvd {
namespace {

using asio::ip::tcp;

constexpr size_t read_bytes = 256 << 10;
constexpr size_t kept_capacity = 4 << 20;
constexpr auto handshake_timeout = std::chrono::seconds(10);

// Reads more bytes behind those in `received`, `wanted` if that many are known to be on their way.
// False at the end of the connection.
asio::awaitable<bool> read_more(tcp::socket &socket, ReceiveBuffer &received, size_t wanted) {
  // A size that a header claims is not made room for at once: memory follows what really comes.
  const size_t most = std::max(read_bytes, received.view().size());
  const auto room = received.prepare(std::clamp(wanted, read_bytes, most));
  std::error_code problem;
  const size_t got =
      co_await socket.async_read_some(room, asio::redirect_error(asio::use_awaitable, problem));
  received.commit(got);
  co_return !problem;
}

}  // namespace

tcp::acceptor listen_on(asio::io_context &loop, const std::string &bind_host,
                        const Address &address) {
  tcp::resolver resolver(loop);
  const std::string &host = bind_host.empty() ? address.host : bind_host;
  const auto found = resolver.resolve(host, std::to_string(address.port),
                                      tcp::resolver::passive | tcp::resolver::numeric_service);
  const tcp::endpoint endpoint = found.begin()->endpoint();
  tcp::acceptor acceptor(loop);
  acceptor.open(endpoint.protocol());
  acceptor.set_option(tcp::acceptor::reuse_address(true));
  acceptor.bind(endpoint);
  acceptor.listen();
  return acceptor;
}

Transport::Transport(asio::io_context &loop, const Config &config, TransportEvents &events)
    : loop_(loop), config_(config), events_(events), acceptor_(loop) {}

Transport::~Transport() = default;

void Transport::start() {
  acceptor_ = listen_on(loop_, config_.bind_host, config_.self().peer);
  asio::co_spawn(loop_, accept_loop(), asio::detached);
  for (const Member &member : config_.members) {
    if (member.id == config_.id) continue;
    const auto link = std::make_shared<PeerLink>(loop_, config_, member, events_);
    links_.emplace(member.id, link);
    link->start();
  }
}

void Transport::stop() {
  std::error_code ignored;
  acceptor_.close(ignored);
  for (const auto &[id, link] : links_) link->stop();
}

void Transport::send(uint64_t store_id, uint64_t region_id, bool carries_snapshot,
                     std::string_view message) {
  const auto link = links_.find(store_id);
  if (link != links_.end()) link->second->send(region_id, carries_snapshot, message);
}

void Transport::flush() {
  for (const auto &[id, link] : links_) link->flush();
}

size_t Transport::connected() const {
  return static_cast<size_t>(std::count_if(
      links_.begin(), links_.end(), [](const auto &item) { return item.second->connected(); }));
}

asio::awaitable<void> Transport::accept_loop() {
  while (acceptor_.is_open()) {
    std::error_code problem;
    tcp::socket socket =
        co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, problem));
    if (!problem) {
      asio::co_spawn(loop_, receive(std::move(socket)), asio::detached);
    } else if (acceptor_.is_open()) {
      // Out of file descriptors, most likely: accepting goes on when there are some again.
      KVD_LOG(warn, "cannot accept a store's connection: %s", problem.message().c_str());
      asio::steady_timer pause(loop_, std::chrono::milliseconds(100));
      co_await pause.async_wait(asio::use_awaitable);
    }
  }
}

asio::awaitable<void> Transport::receive(tcp::socket accepted) {
  // Shared with the deadline, whose handler may be queued when this coroutine ends.
  const auto socket = std::make_shared<tcp::socket>(std::move(accepted));
  asio::steady_timer deadline(loop_, handshake_timeout);
  deadline.async_wait([socket](std::error_code cancelled) {
    std::error_code ignored;
    if (!cancelled) socket->close(ignored);
  });
  ReceiveBuffer received;
  size_t line_end = std::string_view::npos;
  while (line_end == std::string_view::npos && received.view().size() <= max_handshake_bytes) {
    if (!co_await read_more(*socket, received, 0)) break;
    line_end = received.view().find('\n');
  }
  deadline.cancel();
  uint64_t from = 0;
  if (line_end >= max_handshake_bytes ||
      !accept_handshake(received.view().substr(0, line_end), from)) {
    KVD_LOG(warn, "closing a connection to the stores' port: no valid handshake");
    co_return;
  }
  KVD_LOG(info, "store %" PRIu64 " connected", from);
  received.consume(line_end + 1);
  size_t expected = 0;
  while (receive_frames(received, expected)) {
    const size_t queued = received.view().size();
    if (!co_await read_more(*socket, received, expected > queued ? expected - queued : 0)) {
      KVD_LOG(info, "store %" PRIu64 " closed its connection", from);
      co_return;
    }
  }
  KVD_LOG(warn, "closing the connection from store %" PRIu64, from);
}

bool Transport::accept_handshake(std::string_view line, uint64_t &from) const {
  const auto handshake = parse_handshake(line);
  if (!handshake || handshake->cluster_id != config_.cluster_id || handshake->to != config_.id ||
      handshake->from == config_.id || config_.member(handshake->from) == nullptr) {
    return false;
  }
  from = handshake->from;
  return true;
}

// Hands on all complete frames at the front of `received`; false if something else is there.
// `expected`: how many bytes the frame that is left at the front will have, if known.
bool Transport::receive_frames(ReceiveBuffer &received, size_t &expected) {
  // Room for what the library adds to the payload of the largest message.
  const size_t limit = config_.max_snapshot_bytes + (64 << 10);
  while (true) {
    const FrameParse parse = parse_frame(received.view(), limit);
    if (parse.status == FrameParse::Status::error) {
      KVD_LOG(warn, "bad bytes from a store: %s", parse.error);
      return false;
    }
    expected = parse.frame_bytes;
    if (parse.status == FrameParse::Status::incomplete) break;
    if (!events_.on_message(parse.frame.region_id, parse.frame.payload)) return false;
    received.consume(parse.frame_bytes);
  }
  received.shrink(kept_capacity);
  return true;
}

}  // namespace kvd
