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
#include "handshake.h"
#include "peer_link.h"
#include "registry.h"

namespace kvd {
namespace {

using asio::ip::tcp;
using std::chrono::milliseconds;

constexpr size_t kept_capacity = 4 << 20;
constexpr auto handshake_timeout = std::chrono::seconds(5);
// Connections that have not proved yet whose they are. Beyond, the oldest is closed.
constexpr size_t max_strangers = 32;

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

milliseconds peer_patience(const Config &config) {
  const milliseconds election(uint64_t{config.tick_ms} * config.election_ticks);
  return std::clamp(4 * election, milliseconds(1000), milliseconds(10000));
}

Transport::Transport(asio::io_context &loop, const Config &config, Registry &registry,
                     TransportEvents &events)
    : loop_(loop), config_(config), registry_(registry), events_(events), acceptor_(loop) {}

Transport::~Transport() = default;

void Transport::start() {
  acceptor_ = listen_on(loop_, config_.bind_host, config_.self().peer);
  asio::co_spawn(loop_, accept_loop(), asio::detached);
  for (const Member &member : config_.members) {
    if (member.id == config_.id) continue;
    const auto link = std::make_shared<PeerLink>(loop_, config_, member, registry_, events_);
    links_.emplace(member.id, link);
    link->start();
  }
}

void Transport::stop() {
  std::error_code ignored;
  acceptor_.close(ignored);
  for (const auto &[id, link] : links_) link->stop();
  close_inbound();
}

void Transport::reconnect() {
  for (const auto &[id, link] : links_) link->reconnect();
  close_inbound();
}

void Transport::close_inbound() {
  std::error_code ignored;
  for (const auto &inbound : strangers_) inbound->socket->close(ignored);
  for (const auto &[id, inbound] : inbound_) inbound->socket->close(ignored);
  inbound_.clear();
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

bool Transport::connected(uint64_t store_id) const {
  const auto link = links_.find(store_id);
  return link != links_.end() && link->second->connected();
}

asio::awaitable<void> Transport::accept_loop() {
  while (acceptor_.is_open()) {
    std::error_code problem;
    tcp::socket socket =
        co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, problem));
    if (!problem) {
      const auto inbound = std::make_shared<Inbound>(
          std::make_shared<PeerSocket>(std::move(socket)), ++connections_made_);
      tune_peer_socket(*inbound->socket, peer_patience(config_));
      strangers_.push_back(inbound);
      limit_strangers();
      asio::co_spawn(loop_, serve(inbound), asio::detached);
    } else if (acceptor_.is_open()) {
      // Out of file descriptors, most likely: accepting goes on when there are some again.
      if (stranger_log_.passes()) {
        KVD_LOG(warn, "cannot accept a store's connection: %s%s", problem.message().c_str(),
                stranger_log_.suffix());
      }
      asio::steady_timer pause(loop_, milliseconds(100));
      co_await pause.async_wait(asio::use_awaitable);
    }
  }
}

void Transport::limit_strangers() {
  if (strangers_.size() <= max_strangers) return;
  std::error_code ignored;
  strangers_.front()->socket->close(ignored);
  strangers_.pop_front();
}

asio::awaitable<void> Transport::serve(std::shared_ptr<Inbound> inbound) {
  ReceiveBuffer received;
  const bool known = co_await shake_hands(*inbound, received);
  strangers_.remove(inbound);
  std::error_code ignored;
  if (!known || !inbound->socket->is_open()) {
    inbound->socket->close(ignored);
    co_return;
  }
  // A store has one connection: it opened this one because the one before is of no use to it.
  auto &current = inbound_[inbound->from];
  if (current != nullptr) current->socket->close(ignored);
  current = inbound;
  co_await receive(*inbound, received);
  inbound->socket->close(ignored);
  const auto left = inbound_.find(inbound->from);
  if (left != inbound_.end() && left->second == inbound) inbound_.erase(left);
}

// What is said to whom: nothing to a stranger, the reason to a store that has the secret.
asio::awaitable<bool> Transport::shake_hands(Inbound &inbound, ReceiveBuffer &received) {
  const SocketDeadline deadline(inbound.socket, handshake_timeout);
  Handshake handshake(config_.peer_secret);
  const auto first = co_await read_line(*inbound.socket, received);
  const auto hello = first ? handshake.read_hello(*first) : std::nullopt;
  if (!hello || hello->cluster_id != config_.cluster_id || hello->to != config_.id ||
      hello->from == config_.id || config_.member(hello->from) == nullptr) {
    if (stranger_log_.passes()) {
      KVD_LOG(warn, "closing a connection to the stores' port: no valid handshake%s",
              stranger_log_.suffix());
    }
    co_return false;
  }
  const std::string challenge = handshake.challenge();
  if (!co_await write_all(*inbound.socket, challenge)) co_return false;
  const auto third = co_await read_line(*inbound.socket, received);
  if (!third) co_return false;
  const auto theirs = handshake.read_facts(*third);
  if (!theirs) {
    if (store_logs_[hello->from].refused.passes()) {
      KVD_LOG(error, "store %" PRIu64 " has another secret (--peer-secret-file)%s", hello->from,
              store_logs_[hello->from].refused.suffix());
    }
    co_return false;
  }
  const Verdict verdict = registry_.meet(hello->from, *theirs);
  if (verdict.admission == Admission::refuse || verdict.admission == Admission::wait) {
    if (verdict.admission == Admission::refuse && store_logs_[hello->from].refused.passes()) {
      KVD_LOG(error, "refusing store %" PRIu64 ": %s%s", hello->from, verdict.reason.c_str(),
              store_logs_[hello->from].refused.suffix());
    }
    const Refusal refusal{verdict.admission == Admission::wait, verdict.reason};
    const std::string answer = write_refusal(refusal);
    co_await write_all(*inbound.socket, answer);
    co_return false;
  }
  inbound.from = hello->from;
  inbound.carries_frames = registry_.is_member() && !theirs->birth.empty();
  const std::string answer = handshake.facts(registry_.facts());
  const bool written = co_await write_all(*inbound.socket, answer);
  co_return written;
}

asio::awaitable<void> Transport::receive(Inbound &inbound, ReceiveBuffer &received) {
  if (store_logs_[inbound.from].connected.passes()) {
    KVD_LOG(info, "store %" PRIu64 " connected%s", inbound.from,
            store_logs_[inbound.from].connected.suffix());
  }
  size_t expected = 0;
  while (receive_frames(inbound, received, expected)) {
    const size_t queued = received.view().size();
    const size_t wanted = expected > queued ? expected - queued : 0;
    if (!co_await read_more(*inbound.socket, received, wanted)) co_return;
  }
  if (store_logs_[inbound.from].bad_bytes.passes()) {
    KVD_LOG(warn, "closing the connection from store %" PRIu64 "%s", inbound.from,
            store_logs_[inbound.from].bad_bytes.suffix());
  }
}

// Hands on all complete frames at the front of `received`; false if something else is there.
// `expected`: how many bytes the frame that is left at the front will have, if known.
bool Transport::receive_frames(const Inbound &inbound, ReceiveBuffer &received, size_t &expected) {
  const size_t limit = max_message_bytes(config_);
  while (true) {
    const FrameParse parse = parse_frame(received.view(), limit);
    if (parse.status == FrameParse::Status::error) {
      if (store_logs_[inbound.from].bad_bytes.passes()) {
        KVD_LOG(warn, "bad bytes from store %" PRIu64 ": %s%s", inbound.from, parse.error,
                store_logs_[inbound.from].bad_bytes.suffix());
      }
      return false;
    }
    expected = parse.frame_bytes;
    if (parse.status == FrameParse::Status::incomplete) break;
    const MessageOrigin origin{inbound.from, inbound.number};
    if (!inbound.carries_frames ||
        !events_.on_message(origin, parse.frame.region_id, parse.frame.payload)) {
      return false;
    }
    received.consume(parse.frame_bytes);
  }
  received.shrink(kept_capacity);
  return inbound.socket->is_open();
}

}  // namespace kvd
