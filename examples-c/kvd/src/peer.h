// SPDX-License-Identifier: Apache-2.0
// A Region's replica on this Store: a Raft node, its log, its part of the key space, and the
// clients' requests that wait for it.
#pragma once

#include <raftcore.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "checkpoint.h"
#include "config.h"
#include "disk_watch.h"
#include "key_space.h"
#include "log_limit.h"
#include "long_reads.h"
#include "loss_claims.h"
#include "proposals.h"
#include "raft_storage.h"
#include "read_queue.h"
#include "region.h"
#include "registry.h"
#include "scan_cursors.h"
#include "snapshot.h"
#include "storage_thread.h"
#include "transport.h"
#include "witness.h"

namespace kvd {

// What all Peers of a Store share.
struct StoreParts {
  const Config &config;
  Engine &engine;
  Transport &transport;
  Background &background;
  Background &checkpoints;
  LongReads &long_reads;
  const Registry &registry;
  // The directory is of a version that kept no witness: there may be none yet.
  bool witness_may_lack = false;
};

// All functions are called on the loop. A turn of the loop is: submit(), then, unless the last
// turn's batch is still on its way to the disk, begin(), stage() and apply(); and finish() once the
// batch is written.
class Peer {
 public:
  Peer(const StoreParts &parts, const Region &region);
  ~Peer();
  Peer(const Peer &) = delete;
  Peer &operator=(const Peer &) = delete;

  const Region &region() const { return region_; }
  bool is_leader() const { return role_ == RAFT_ROLE_LEADER; }
  uint64_t leader() const { return leader_; }
  // The members of the group that vote, sorted.
  const std::vector<uint64_t> &voters() const { return voters_; }
  // The error reply for a client that asked this Store although it does not lead the Region.
  std::string redirect_error(uint16_t slot) const;

  // Where requests of clients are collected until the next submit().
  ProposalBatch &writes() { return collected_writes_; }
  ReadQueue &reads() { return reads_; }
  void submit();

  bool has_ready() const;
  // Takes a Ready, and sends what may be sent before it is stored.
  void begin();
  // Puts all that is to be stored into the batch (`sync` is set if that must be durable).
  void stage(rocksdb::WriteBatch &batch, bool &sync);
  // Where the log is once the batch is written.
  WitnessedLog staged_log() { return {&witness_, storage_.staged_position()}; }
  // Applies what is committed, in memory: the batch may be on its way already.
  void apply();
  // The batch is written: sends the rest, serves reads, hands the Ready back.
  void finish();

  // Serves reads that are due and had to wait for clients that are slow to take replies.
  void serve_held_reads();
  // Whether there are reads that only wait for their clients' next turn.
  bool has_held_work() const { return has_held_work_; }

  void tick();
  // Answers requests that have waited too long.
  void expire();
  // False if the bytes are no message that the store of this connection sends.
  bool step(const MessageOrigin &from, std::string_view message);
  void report_unreachable(uint64_t store_id);
  void report_snapshot(uint64_t store_id, bool delivered);
  void report_snapshot_too_large(uint64_t store_id, uint64_t limit);
  // Whether a leader has heard from the member lately.
  bool is_active(uint64_t store_id) const;
  uint64_t applied_index() const { return storage_.applied_index(); }
  // The error reply, or "".
  std::string transfer_leader(uint64_t to);

  // The keys that were changed since the last checkpoint.
  size_t recent_keys() const { return keys_.recent_keys(); }

  // Hands the leadership over to the follower that is furthest; false if there is none to be handed
  // over, or nobody to take it.
  bool hand_over();
  // Whether nothing is left that only a leader can finish.
  bool is_idle() const { return !is_leader() && pending_writes_.entries() == 0; }
  DiskWatch &disk() { return disk_; }

  // Lines "name:value\r\n".
  std::string status_text() const;

 private:
  void propose_collected();
  void ask_for_collected_reads();
  void refuse_reads(const ReadQueue::Batch &batch, const std::string &error);
  // To the leader, by the slot of each request.
  void redirect(const std::vector<Waiter> &waiters);
  void redirect(const ReadQueue::Batch &batch);
  void ask_again_for_reads();
  void watch_size(Clock::time_point now);
  void note_state(const raft_ready_view &ready);
  void send(const raft_ready_view &ready, bool after_write);
  void install(const raft_snapshot &snapshot, rocksdb::WriteBatch &batch);
  void apply_committed(const raft_ready_view &ready);
  void apply(const raft_entry &entry);
  void apply_membership_change(const raft_entry &entry);
  uint64_t log_end_to_drop() const;
  void compact(rocksdb::WriteBatch &batch);
  void checkpoint_if_due();
  void serve_reads();
  void serve(ReadQueue::Batch batch);
  void serve_beside(std::string encoded, const Waiter &waiter);
  // Calls it when no Ready is being stored: at once, or in finish().
  void after_storing(std::function<void()> action);
  void complain();
  void check_witness();
  void note_voters();
  void hand_over_if_slow();
  [[noreturn]] void end_for_lost_data(uint64_t leader);
  std::string last_error() const;
  // fatal() for what no host can go on after; an error of the storage is only logged.
  void require(raft_status status, const char *what) const;

  StoreParts parts_;
  Region region_;
  SnapshotCache snapshots_;
  RaftStorage storage_;
  Witness witness_;
  KeySpace keys_;
  Checkpoints checkpoints_;
  raft_node *node_ = nullptr;

  int32_t role_ = RAFT_ROLE_FOLLOWER;
  uint64_t leader_ = 0;
  uint64_t term_ = 0;
  raft_ready_view *ready_ = nullptr;  // between begin() and finish()
  uint64_t log_bytes_ = 0;            // about what the log has, of what this process wrote

  std::vector<uint64_t> voters_;
  LossClaims loss_claims_;
  DiskWatch disk_;
  HandoverRule handover_rule_;

  ProposalBatch collected_writes_;
  PendingWrites pending_writes_;
  ReadQueue reads_;
  std::vector<ReadQueue::Batch> held_reads_;
  bool has_held_work_ = false;
  std::vector<std::function<void()>> after_storing_;
  ScanCursors scan_cursors_;
  uint64_t snapshot_refused_by_ = 0;  // the store that takes none of that size
  uint64_t estimated_bytes_ = 0;      // of keys and values
  Clock::time_point size_watched_;
  LogLimit size_log_{std::chrono::minutes(10)};
  LogLimit snapshot_log_;
  LogLimit bad_message_log_;
  LogLimit complaint_log_;
};

}  // namespace kvd
