// SPDX-License-Identifier: Apache-2.0
// A Region's key space as one piece of bytes, for a replica that is too far behind for the log.
//
//   version byte (1), number of keys (8, big-endian), then for each key: key, value
//
// with the length before each string (bytes.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "background.h"
#include "engine.h"

namespace kvd {

// Where the state machine is: RaftApplyState.
struct ApplyState {
  uint64_t index = 0;
  uint64_t term = 0;       // of the entry at `index`
  std::string conf_state;  // membership after that entry, as raft_conf_state_encode gives it

  std::string encode() const;
  static std::optional<ApplyState> decode(std::string_view bytes);
};

struct Snapshot {
  ApplyState state;
  std::string data;
};

// The Region's keys and apply state as they are in the database at one moment. Any thread may call
// it. nullopt if the data would be larger than `max_bytes`.
std::optional<Snapshot> build_snapshot(Engine &engine, uint64_t region_id, SlotRange slots,
                                       uint64_t max_bytes);

// Whether the bytes are a snapshot of these slots.
bool is_snapshot_of(std::string_view bytes, SlotRange slots);

// Replaces the Region's keys in the database by those of a snapshot of its slots.
void install_snapshot(std::string_view bytes, SlotRange slots, Engine &engine,
                      rocksdb::WriteBatch &batch);

// Makes snapshots in the background and keeps the last one for as long as it is of use.
class SnapshotCache {
 public:
  SnapshotCache(Engine &engine, Background &background, uint64_t region_id, SlotRange slots,
                uint64_t max_bytes);

  // The snapshot, if there is one at or after `first_useful_index`. Otherwise nullptr, and one is
  // being made: ask again.
  const Snapshot *get(uint64_t first_useful_index);

  // It cannot be delivered as it is: none is made for a while, longer each time.
  void back_off(std::chrono::steady_clock::time_point now);
  // "none", "building", "ready" or "too large".
  const char *state() const;
  // Until when none is made because the last one was too large; 0 if it was not.
  std::chrono::seconds retry_in(std::chrono::steady_clock::time_point now) const;
  size_t bytes() const { return state_->ready ? state_->ready->data.size() : 0; }
  uint64_t max_bytes() const { return max_bytes_; }

  // Forgets a snapshot that nobody asked for in the last minute: it may be large.
  void expire(std::chrono::steady_clock::time_point now);

 private:
  struct State {
    std::optional<Snapshot> ready;
    bool building = false;
    int failures = 0;  // in a row
    std::chrono::steady_clock::time_point retry_at;
    std::chrono::steady_clock::time_point last_use;
  };

  static std::chrono::seconds backoff(int failures);
  static void wait_longer(State &state, std::chrono::steady_clock::time_point now);

  Engine &engine_;
  Background &background_;
  uint64_t region_id_;
  SlotRange slots_;
  uint64_t max_bytes_;
  // Shared with the work in the background, which may come back when the cache is gone.
  std::shared_ptr<State> state_;
};

}  // namespace kvd
