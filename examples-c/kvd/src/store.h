// SPDX-License-Identifier: Apache-2.0
// One process: its disk, its connections, and the Peers of all Regions that it has a replica of.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "background.h"
#include "client_session.h"
#include "command.h"
#include "config.h"
#include "engine.h"
#include "file_budget.h"
#include "log_limit.h"
#include "long_reads.h"
#include "peer.h"
#include "registry.h"
#include "storage_thread.h"
#include "transport.h"

namespace kvd {

// The loop goes in turns. A turn handles everything that came in, and then, for all Peers together:
// proposes the writes and asks for the reads that clients sent, collects what all Peers have to
// store in one batch, has it written with one sync beside the loop, and sends what was collected
// for each connection. While a batch is on its way to the disk, turns go on without a new one.
class Store : private TransportEvents {
 public:
  // Opens the disk; fatal() if that fails.
  explicit Store(const Config &config);
  ~Store();

  // Serves until SIGINT or SIGTERM; fatal() if an address cannot be listened on.
  void run();

  const Config &config() const { return config_; }
  Engine &engine() { return *engine_; }
  const Transport &transport() const { return transport_; }
  // All Peers, by Region id; none while a new cluster waits for its stores.
  const std::map<uint64_t, std::unique_ptr<Peer>> &peers() const { return peers_; }
  Peer &peer_of_slot(uint16_t slot) const;
  // The Peer that a command is for and the slot of its keys, or nullptr and the error reply. A
  // follower takes reads if `reads_anywhere`.
  Peer *route(const CommandSpec &spec, const Args &args, bool reads_anywhere, uint16_t &slot,
              std::string &error) const;
  // Whether the store is there, as far as is known here.
  bool is_online(uint64_t store_id) const;

  // A session that has output to send, or may go on with its input, at the end of the turn.
  void touch(std::shared_ptr<ClientSession> session);
  // The same once what is collected for the Regions is proposed.
  void touch_after_submit(std::shared_ptr<ClientSession> session);
  // The same in the next turn.
  void touch_next_turn(std::shared_ptr<ClientSession> session);
  void forget(const ClientSession &session);

  // What clients' requests, replies and buffers take: a session's share has changed.
  void account(size_t before, size_t after) { client_bytes_ += after - before; }
  size_t client_bytes() const { return client_bytes_; }
  uint64_t turn_number() const { return turns_; }
  void note_work(const Work &more, const Work &of_session);
  struct LargestTurn {
    Work all;
    Work session;
    Clock::duration time{};
  };
  const LargestTurn &largest_turn() const { return largest_turn_; }
  const LongReads &long_reads() const { return long_reads_; }

  size_t clients() const { return sessions_.size(); }
  // As many as --max-clients, if there are file descriptors for them.
  uint64_t max_clients() const { return files_.max_clients; }
  uint64_t connections_accepted() const { return next_session_id_ - 1; }
  uint64_t commands_processed = 0;
  Clock::time_point started() const { return started_; }

 private:
  bool on_message(const MessageOrigin &from, uint64_t region_id, std::string_view message) override;
  void on_unreachable(uint64_t region_id, uint64_t store_id) override;
  void on_snapshot_sent(uint64_t region_id, uint64_t store_id, bool delivered) override;
  void on_snapshot_too_large(uint64_t region_id, uint64_t store_id, uint64_t limit) override;

  void open_regions();
  void stage_first_region(rocksdb::WriteBatch &batch);
  void require_never_begun() const;
  void begin();
  void listen();
  asio::awaitable<void> accept_clients();
  void listen_for_admins();
  asio::awaitable<void> accept_admins();
  void start_session(ClientSession::Socket socket, bool is_admin);
  asio::awaitable<void> tick_loop();
  void wait_for_signal();
  // Hands leaderships over, and stops after that.
  void begin_to_stop();
  bool may_stop() const;
  void stop();

  void turn();
  // Starts a batch if none is under way and a Peer has work; false if nothing was done.
  bool begin_batch();
  void finish_batch();
  void limit_client_memory();
  // Lets touched sessions go on; false if there were none.
  bool serve_sessions();

  const Config config_;
  const FileBudget files_;
  asio::io_context loop_{1};
  std::unique_ptr<Engine> engine_;
  Registry registry_;
  Transport transport_;
  std::map<uint64_t, std::unique_ptr<Peer>> peers_;
  std::vector<Peer *> peer_of_slot_;

  rocksdb::WriteBatch batch_;
  std::vector<Peer *> in_batch_;  // Peers with a Ready in the batch that is under way

  asio::ip::tcp::acceptor acceptor_;
  asio::local::stream_protocol::acceptor admin_acceptor_;
  size_t admins_ = 0;
  LogLimit accept_log_;
  asio::signal_set signals_;
  asio::steady_timer tick_timer_;
  uint64_t next_session_id_ = 1;
  std::unordered_map<uint64_t, std::shared_ptr<ClientSession>> sessions_;
  std::vector<std::shared_ptr<ClientSession>> touched_;
  std::vector<std::shared_ptr<ClientSession>> waiting_for_submit_;
  std::vector<std::shared_ptr<ClientSession>> next_turn_;
  LongReads long_reads_;
  size_t client_bytes_ = 0;
  uint64_t turns_ = 1;
  Work turn_work_;
  LargestTurn largest_turn_;
  LogLimit memory_log_;
  const Clock::time_point started_ = Clock::now();
  std::optional<Clock::time_point> stop_by_;  // set: stopping when everything is handed over
  bool stopping_ = false;

  // Last, so that their threads end before what they work on is gone.
  Background background_;
  Background checkpoint_thread_;
  StorageThread storage_thread_;
};

}  // namespace kvd
