// SPDX-License-Identifier: Apache-2.0
// A Region's Raft log in the Store's database, as the library reads it and as a turn of the loop
// writes it.
#pragma once

#include <raftcore.h>

#include <cstdint>
#include <string>
#include <vector>

#include "engine.h"
#include "snapshot.h"
#include "witness.h"

namespace kvd {

// Writing is in two steps. The stage_... functions put changes into the batch of the turn; finish()
// makes them visible to the library, once the batch is written. Between the two the library still
// reads what was there before, which is what it expects until raft_advance.
class RaftStorage {
 public:
  // Loads what is stored of the Region, which must have been bootstrapped; fatal() if it
  // contradicts itself.
  RaftStorage(Engine &engine, SnapshotCache &snapshots, uint64_t region_id);
  RaftStorage(const RaftStorage &) = delete;
  RaftStorage &operator=(const RaftStorage &) = delete;

  // Whether the Region is in the database, and the changes that put it there: an empty log and key
  // space, with these voters.
  static bool exists(Engine &engine, uint64_t region_id);
  static void bootstrap(Engine &engine, uint64_t region_id, const std::vector<uint64_t> &voters,
                        rocksdb::WriteBatch &batch);
  // Where the log is then.
  static WitnessRecord first_position();

  // The callbacks for raft_node_new. This object must outlive the node.
  raft_storage callbacks();

  // Whether a snapshot is ahead of the log's begin. The library hands out no other; one that is not
  // must not be installed, here or in the state machine.
  bool is_newer(const raft_snapshot &snapshot) const {
    return snapshot.index > staged_log_.truncated_index;
  }
  // Everything that a Ready wants stored of the log: snapshot's position, entries, hard state.
  void stage_ready(const raft_ready_view &ready, rocksdb::WriteBatch &batch);
  // The same of a Ready with nothing to store but a commit index, which may be lost: it goes along
  // with the next that is written.
  void remember_commit(const raft_ready_view &ready);
  void stage_applied(uint64_t index, uint64_t term);
  void stage_conf_state(std::string_view encoded);  // with the next stage_applied
  // What was staged of these two becomes durable with the batch. Elsewise it does so by checkpoints
  // (checkpoint.h), which note_durable() tells of.
  void stage_apply_state(rocksdb::WriteBatch &batch);
  void note_durable(uint64_t applied_index);
  // Drops the entries up to `index`, which must be applied, and that durably.
  void stage_compaction(uint64_t index, rocksdb::WriteBatch &batch);
  void finish();

  // Where the log is, and where it will be after finish().
  WitnessRecord position() const { return log_.position(); }
  WitnessRecord staged_position() const { return staged_log_.position(); }

  uint64_t first_index() const { return log_.truncated_index + 1; }
  uint64_t last_index() const { return log_.last_index; }
  const ApplyState &apply_state() const { return applied_; }
  uint64_t applied_index() const { return applied_.index; }
  // The applied index that a crash would leave: entries behind it are applied again, and are kept
  // until then.
  uint64_t durable_index() const { return durable_index_; }

  // For the library's callbacks, and for tests.
  raft_status entries(uint64_t low, uint64_t high, raft_entry_sink *out);
  raft_status term(uint64_t index, uint64_t *out);
  raft_status initial_state(raft_hard_state *hard_state, raft_conf_state_sink *conf_state);
  raft_status snapshot(raft_snapshot_sink *out);

 private:
  // RaftLocalState
  struct LogState {
    raft_hard_state hard_state{};
    uint64_t truncated_index = 0;  // the last compacted entry
    uint64_t truncated_term = 0;
    uint64_t last_index = 0;

    WitnessRecord position() const { return {hard_state.term, hard_state.vote, last_index}; }

    std::string encode() const;
    static std::optional<LogState> decode(std::string_view bytes);
  };

  void load();
  void stage_snapshot(const raft_snapshot &snapshot, rocksdb::WriteBatch &batch);
  void stage_entries(const raft_entry *entries, size_t count, rocksdb::WriteBatch &batch);
  void put_log_state(rocksdb::WriteBatch &batch);

  Engine &engine_;
  SnapshotCache &snapshots_;
  uint64_t region_id_;
  LogState log_;
  LogState staged_log_;
  ApplyState applied_;
  ApplyState staged_applied_;
  uint64_t durable_index_ = 0;
  uint64_t staged_durable_index_ = 0;
};

}  // namespace kvd
