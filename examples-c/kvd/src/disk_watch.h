// SPDX-License-Identifier: Apache-2.0
// A leader whose disk has become slow holds up a group whose other disks are not: it notices that,
// and hands its leadership over.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

namespace kvd {

using DiskClock = std::chrono::steady_clock;

struct FollowerTime {
  uint64_t store_id = 0;
  DiskClock::duration acknowledgement{};
};

// The store to hand over to; 0 if nothing is gained by it: so many followers must be much faster
// than this store's own syncs that they are a majority without it.
uint64_t faster_store(DiskClock::duration own_sync, const std::vector<FollowerTime> &followers,
                      size_t voters);

// faster_store() over time: it must be the case for a while, and not happen often.
class HandoverRule {
 public:
  // What to do at `now`, given what faster_store() says.
  uint64_t decide(DiskClock::time_point now, uint64_t faster);

 private:
  bool holds_ = false;
  DiskClock::time_point since_;
  bool handed_over_ = false;
  DiskClock::time_point last_handover_;
};

// Measures the two kinds of time on a leader.
class DiskWatch {
 public:
  void sync_began(DiskClock::time_point now);
  void sync_ended(DiskClock::time_point now);
  // Entries up to `index` are on their way to the followers.
  void sent(uint64_t index, DiskClock::time_point now);
  void acknowledged(uint64_t store_id, uint64_t index, DiskClock::time_point now);
  // Another term, or another leader: what was sent before says nothing.
  void forget();

  DiskClock::duration own_sync(DiskClock::time_point now) const;
  std::vector<FollowerTime> followers(DiskClock::time_point now) const;

 private:
  struct Mark {
    uint64_t index;
    DiskClock::time_point sent;
  };
  struct Follower {
    uint64_t index = 0;
    DiskClock::duration took{};
    DiskClock::time_point heard;
  };

  bool syncing_ = false;
  DiskClock::time_point began_;
  DiskClock::time_point ended_;
  DiskClock::duration took_{};
  std::deque<Mark> marks_;
  std::map<uint64_t, Follower> followers_;
};

}  // namespace kvd
