// SPDX-License-Identifier: Apache-2.0
#include "store.h"

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <cinttypes>
#include <csignal>
#include <filesystem>

#include "log.h"
#include "tcp_options.h"

namespace kvd {
namespace {

using asio::ip::tcp;

// The whole key space is one Region.
constexpr uint64_t first_region_id = 1;
// So that a turn ends however much comes in.
constexpr int max_handlers_per_turn = 4096;

// Beside --max-clients: there are descriptors for them.
constexpr size_t max_admins = 8;
// A client that has vanished is noticed, and one that takes nothing for so long is given up.
constexpr TcpPatience client_patience{std::chrono::minutes(2), std::chrono::seconds(60),
                                      std::chrono::seconds(15), 4};

constexpr std::string_view region_state_prefix = "r";
const std::string region_state_end = "s";

}  // namespace

Store::Store(const Config &config)
    : config_(config),
      files_(divide_files(raise_file_limit(), config.max_clients, config.members.size())),
      engine_(Engine::open(config.data_directory, config.cluster_id, config.id, config.bootstrap,
                           files_.max_open_files)),
      registry_(
          *engine_, config_, [this](rocksdb::WriteBatch &batch) { stage_first_region(batch); },
          [this] { begin(); }),
      transport_(loop_, config_, registry_, *this),
      acceptor_(loop_),
      admin_acceptor_(loop_),
      signals_(loop_, SIGINT, SIGTERM),
      tick_timer_(loop_),
      background_(loop_),
      checkpoint_thread_(loop_),
      storage_thread_(*engine_, loop_, [this] { finish_batch(); }) {
  const bool is_of_old_version = engine_->identity().disk.empty();
  const bool has_region = RaftStorage::exists(*engine_, first_region_id);
  if (is_of_old_version && has_region) {
    open_regions();
    registry_.take_over_old_cluster(peers_.begin()->second->voters());
  } else if (registry_.is_member()) {
    if (!has_region) fatal("the log is gone from %s", config.data_directory.c_str());
    open_regions();
  } else {
    // The directory may have been made by a start with --bootstrap that saw no end: it still waits.
    require_never_begun();
    if (is_of_old_version) registry_.draw_disk_id();
    registry_.begin_alone();
    if (!registry_.is_member()) {
      KVD_LOG(info, "waiting for the other %zu stores of a new cluster",
              config_.members.size() - 1);
    }
  }
}

Store::~Store() = default;

void Store::stage_first_region(rocksdb::WriteBatch &batch) {
  std::vector<uint64_t> voters;
  for (const Member &member : config_.members) voters.push_back(member.id);
  const Region region{first_region_id, SlotRange{}};
  batch.Put(engine_->data(), region_state_key(region.id), region.encode());
  RaftStorage::bootstrap(*engine_, region.id, voters, batch);
  // Before the batch is written: a database that lost it is recognised, too.
  Witness(config_.data_directory, config_.id, region.id).write(RaftStorage::first_position());
}

// A database that has lost all but its first record looks like one that waits for its cluster.
void Store::require_never_begun() const {
  if (!Witness::exists_in(config_.data_directory)) return;
  const auto seen = Witness(config_.data_directory, config_.id, first_region_id).record();
  const std::string lost = seen ? lost_since(*seen, RaftStorage::first_position()) : "";
  if (!lost.empty()) {
    fatal("this store lost data that it had acknowledged: %s. It must not come back under its id.",
          lost.c_str());
  }
}

// This store is part of a cluster, as of now or as it was before.
void Store::begin() {
  open_regions();
  transport_.reconnect();
}

void Store::open_regions() {
  peer_of_slot_.assign(slot_count, nullptr);
  const StoreParts parts{config_,
                         *engine_,
                         transport_,
                         background_,
                         checkpoint_thread_,
                         long_reads_,
                         registry_,
                         engine_->identity().disk.empty()};
  const rocksdb::Slice end(region_state_end);
  const auto iterator = engine_->scan(engine_->data(), slice_of(region_state_prefix), end);
  for (; iterator->Valid(); iterator->Next()) {
    const uint64_t id = get_big_endian<uint64_t>(iterator->key().data() + 1);
    const auto region = Region::decode(id, view_of(iterator->value()));
    if (!region) fatal("region %" PRIu64 ": its stored state cannot be read", id);
    auto peer = std::make_unique<Peer>(parts, *region);
    std::fill(peer_of_slot_.begin() + region->slots.first,
              peer_of_slot_.begin() + region->slots.last + 1, peer.get());
    for (const Member &member : config_.members) {
      const auto &voters = peer->voters();
      if (std::find(voters.begin(), voters.end(), member.id) != voters.end()) continue;
      KVD_LOG(warn, "--cluster names store %" PRIu64 ", which is no member of region %" PRIu64,
              member.id, id);
    }
    peers_.emplace(id, std::move(peer));
  }
  if (!iterator->status().ok()) {
    fatal("cannot read the regions: %s", iterator->status().ToString().c_str());
  }
  if (std::count(peer_of_slot_.begin(), peer_of_slot_.end(), nullptr) != 0) {
    fatal("the stored regions do not cover all slots");
  }
}

Peer &Store::peer_of_slot(uint16_t slot) const { return *peer_of_slot_[slot]; }

Peer *Store::route(const CommandSpec &spec, const Args &args, bool reads_anywhere, uint16_t &slot,
                   std::string &error) const {
  if (peers_.empty()) {
    error = "CLUSTERDOWN this store waits for the other stores of a new cluster";
    return nullptr;
  }
  Peer *peer = nullptr;
  slot = 0;
  for_each_key_argument(spec, args, [&](std::string_view key) {
    slot = slot_of(key);
    Peer *owner = peer_of_slot_[slot];
    if (peer != nullptr && owner != peer) error = "CROSSSLOT the keys are in several regions";
    peer = owner;
  });
  if (peer == nullptr) {
    // A command on the whole key space.
    peer = peer_of_slot_[0];
    if (peers_.size() > 1) error = "CROSSSLOT the command would need several regions";
  }
  const bool follows = reads_anywhere && spec.kind == CommandKind::read && peer->leader() != 0;
  if (error.empty() && !peer->is_leader() && !follows) error = peer->redirect_error(slot);
  return error.empty() ? peer : nullptr;
}

bool Store::is_online(uint64_t store_id) const {
  if (store_id == config_.id) return true;
  if (!transport_.connected(store_id)) return false;
  return std::all_of(peers_.begin(), peers_.end(), [&](const auto &item) {
    return !item.second->is_leader() || item.second->is_active(store_id);
  });
}

void Store::run() {
  listen();
  wait_for_signal();
  asio::co_spawn(loop_, tick_loop(), asio::detached);
  while (!stopping_) {
    loop_.run_one();
    const auto began = Clock::now();
    for (int i = 0; i < max_handlers_per_turn && loop_.poll_one() > 0; ++i) {
    }
    turn();
    largest_turn_.time = std::max(largest_turn_.time, Clock::now() - began);
    if (stop_by_ && !stopping_ && may_stop()) stop();
  }
  transport_.flush();
  KVD_LOG(info, "stopped");
}

void Store::wait_for_signal() {
  signals_.async_wait([this](std::error_code problem, int) {
    if (problem) return;
    // The second one does not wait for anything.
    stop_by_ ? stop() : begin_to_stop();
    if (!stopping_) wait_for_signal();
  });
}

void Store::listen() {
  try {
    transport_.start();
    acceptor_ = listen_on(loop_, config_.bind_host, config_.self().client);
  } catch (const std::system_error &problem) {
    fatal("cannot listen on %s and %s: %s", config_.self().peer.text().c_str(),
          config_.self().client.text().c_str(), problem.what());
  }
  asio::co_spawn(loop_, accept_clients(), asio::detached);
  listen_for_admins();
  if (max_clients() < config_.max_clients) {
    KVD_LOG(warn, "file descriptors are enough for %" PRIu64 " clients, not for %" PRIu64,
            max_clients(), config_.max_clients);
  }
  KVD_LOG(info, "serving clients at %s and stores at %s", config_.self().client.text().c_str(),
          config_.self().peer.text().c_str());
}

void Store::start_session(ClientSession::Socket socket, bool is_admin) {
  const auto session =
      std::make_shared<ClientSession>(std::move(socket), *this, next_session_id_++, is_admin);
  sessions_.emplace(session->id(), session);
  if (is_admin) ++admins_;
  asio::co_spawn(
      loop_, [session] { return session->run(); }, asio::detached);
}

asio::awaitable<void> Store::accept_clients() {
  while (acceptor_.is_open()) {
    std::error_code problem;
    tcp::socket socket =
        co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, problem));
    if (problem) {
      if (!acceptor_.is_open()) break;
      // Out of file descriptors, most likely: accepting goes on when there are some again.
      if (accept_log_.passes()) {
        KVD_LOG(warn, "cannot accept a client: %s%s", problem.message().c_str(),
                accept_log_.suffix());
      }
      asio::steady_timer pause(loop_, std::chrono::milliseconds(100));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, problem));
      continue;
    }
    socket.non_blocking(true, problem);
    socket.set_option(tcp::no_delay(true), problem);
    set_tcp_patience(socket.native_handle(), client_patience);
    if (sessions_.size() - admins_ >= max_clients()) {
      static constexpr std::string_view refusal = "-ERR max number of clients reached\r\n";
      socket.write_some(asio::buffer(refusal), problem);
      continue;
    }
    start_session(std::move(socket), false);
  }
}

// A way in that clients cannot fill.
void Store::listen_for_admins() {
  const std::string &path = config_.admin_socket;
  if (path.empty()) return;
  try {
    std::filesystem::remove(path);
    admin_acceptor_ = asio::local::stream_protocol::acceptor(loop_, path);
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  } catch (const std::system_error &problem) {
    fatal("cannot listen on %s: %s", path.c_str(), problem.what());
  }
  asio::co_spawn(loop_, accept_admins(), asio::detached);
}

asio::awaitable<void> Store::accept_admins() {
  while (admin_acceptor_.is_open()) {
    std::error_code problem;
    auto socket =
        co_await admin_acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, problem));
    if (problem) {
      if (!admin_acceptor_.is_open()) break;
      asio::steady_timer pause(loop_, std::chrono::milliseconds(100));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, problem));
      continue;
    }
    socket.non_blocking(true, problem);
    if (admins_ < max_admins) start_session(std::move(socket), true);
  }
}

asio::awaitable<void> Store::tick_loop() {
  const auto interval = std::chrono::milliseconds(config_.tick_ms);
  auto next = Clock::now();
  std::error_code problem;
  while (!stopping_) {
    // After a pause of the whole process the ticks that were missed are not made up for: an
    // election timeout counts the time in which a leader could have been heard.
    next = std::max(next + interval, Clock::now());
    tick_timer_.expires_at(next);
    co_await tick_timer_.async_wait(asio::redirect_error(asio::use_awaitable, problem));
    for (const auto &[id, peer] : peers_) {
      peer->tick();
      peer->expire();
    }
  }
}

void Store::begin_to_stop() {
  std::error_code ignored;
  acceptor_.close(ignored);
  bool hands_over = false;
  for (const auto &[id, peer] : peers_) hands_over = peer->hand_over() || hands_over;
  stop_by_ = Clock::now() + (hands_over ? peer_patience(config_) : Clock::duration{});
}

bool Store::may_stop() const {
  const auto is_done = [](const auto &item) { return item.second->is_idle(); };
  return Clock::now() >= *stop_by_ || std::all_of(peers_.begin(), peers_.end(), is_done);
}

void Store::stop() {
  KVD_LOG(info, "stopping");
  stopping_ = true;
  std::error_code ignored;
  acceptor_.close(ignored);
  admin_acceptor_.close(ignored);
  transport_.stop();
}

void Store::turn() {
  ++turns_;
  turn_work_ = {};
  for (auto &session : std::exchange(next_turn_, {})) touch(std::move(session));
  bool worked = true;
  while (worked && !stopping_) {
    worked = begin_batch();
    for (const auto &[id, peer] : peers_) peer->serve_held_reads();
    worked = serve_sessions() || worked;
  }
  transport_.flush();
  long_reads_.go_on(client_bytes_ < config_.max_client_bytes);
  limit_client_memory();
  const bool goes_on = !next_turn_.empty() ||
                       std::any_of(peers_.begin(), peers_.end(),
                                   [](const auto &item) { return item.second->has_held_work(); });
  if (goes_on) asio::post(loop_, [] {});
}

void Store::note_work(const Work &more, const Work &of_session) {
  turn_work_.add(more);
  largest_turn_.all.raise_to(turn_work_);
  largest_turn_.session.raise_to(of_session);
}

// Whoever has the most goes first: most clients have little.
void Store::limit_client_memory() {
  while (client_bytes_ > config_.max_client_bytes && !sessions_.empty()) {
    const auto largest = std::max_element(
        sessions_.begin(), sessions_.end(),
        [](const auto &a, const auto &b) { return a.second->accounted() < b.second->accounted(); });
    const auto session = largest->second;
    if (session->accounted() == 0) return;
    if (memory_log_.passes()) {
      KVD_LOG(warn,
              "clients take %zu bytes: closing the connection of the one with the most, %zu "
              "(--max-client-bytes)%s",
              client_bytes_, session->accounted(), memory_log_.suffix());
    }
    session->close();
  }
}

bool Store::begin_batch() {
  if (!in_batch_.empty()) return false;
  for (const auto &[id, peer] : peers_) {
    // Not before the last batch is done: what comes in meanwhile shares one log entry.
    peer->submit();
    if (!peer->has_ready()) continue;
    peer->begin();
    in_batch_.push_back(peer.get());
  }
  for (auto &session : std::exchange(waiting_for_submit_, {})) touch(std::move(session));
  if (in_batch_.empty()) return false;
  // What need not wait for the disk goes out first: followers write while this store does; and
  // while all of them write, this one applies what the turns before have brought.
  transport_.flush();
  bool sync = false;
  for (Peer *peer : in_batch_) peer->stage(batch_, sync);
  const bool writes = batch_.Count() > 0;
  if (writes) {
    std::vector<WitnessedLog> logs;
    for (Peer *peer : in_batch_) {
      logs.push_back(peer->staged_log());
      if (sync) peer->disk().sync_began(Clock::now());
    }
    storage_thread_.write(batch_, sync, std::move(logs));
  }
  for (Peer *peer : in_batch_) peer->apply();
  if (!writes) finish_batch();
  return !writes;
}

void Store::finish_batch() {
  batch_.Clear();
  for (Peer *peer : in_batch_) {
    peer->disk().sync_ended(Clock::now());
    peer->finish();
  }
  in_batch_.clear();
}

bool Store::serve_sessions() {
  if (touched_.empty()) return false;
  const auto sessions = std::exchange(touched_, {});
  for (const auto &session : sessions) {
    session->touched = false;
    session->proceed();
  }
  return true;
}

void Store::touch(std::shared_ptr<ClientSession> session) {
  if (session->touched) return;
  session->touched = true;
  touched_.push_back(std::move(session));
}

void Store::touch_next_turn(std::shared_ptr<ClientSession> session) {
  next_turn_.push_back(std::move(session));
}

void Store::touch_after_submit(std::shared_ptr<ClientSession> session) {
  waiting_for_submit_.push_back(std::move(session));
}

void Store::forget(const ClientSession &session) {
  if (session.is_admin()) --admins_;
  sessions_.erase(session.id());
}

bool Store::on_message(const MessageOrigin &from, uint64_t region_id, std::string_view message) {
  const auto peer = peers_.find(region_id);
  if (peer != peers_.end()) return peer->second->step(from, message);
  // All stores have the same Regions: it is from none of them.
  KVD_LOG(debug, "a message for region %" PRIu64 ", which is not here", region_id);
  return false;
}

void Store::on_unreachable(uint64_t region_id, uint64_t store_id) {
  peers_.at(region_id)->report_unreachable(store_id);
}

void Store::on_snapshot_sent(uint64_t region_id, uint64_t store_id, bool delivered) {
  peers_.at(region_id)->report_snapshot(store_id, delivered);
}

void Store::on_snapshot_too_large(uint64_t region_id, uint64_t store_id, uint64_t limit) {
  peers_.at(region_id)->report_snapshot_too_large(store_id, limit);
}

}  // namespace kvd
