// SPDX-License-Identifier: Apache-2.0
// With whom a store works: its own identity, the other stores as they were when they were first
// met, and how a new cluster begins.
//
// A cluster begins once. Its stores are started with --bootstrap and empty directories, and wait.
// The one with the lowest id of --cluster, once it has met all others and all of them are empty,
// draws the cluster's birth id and notes the disk id of each; the others take the birth id over
// from it. From then on a store that comes with another birth id, or with another disk, is refused:
// whoever lost its data might vote twice.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config.h"
#include "engine.h"
#include "handshake.h"

namespace kvd {

enum class Admission {
  accept,
  begin,   // accept, and be part of the cluster that the other one is part of
  wait,    // not yet: one of the two is no part of the cluster yet
  refuse,  // never, until somebody does something about it
};

struct Verdict {
  Admission admission = Admission::refuse;
  std::string reason;  // wait, refuse
};

// What a store makes of what another one says of itself, whom it may know.
Verdict judge(const StoreFacts &own, uint64_t their_id, const StoreFacts &theirs,
              const std::optional<KnownStore> &known);

class Registry {
 public:
  // `stage` adds the Regions of a new cluster to the batch with which it begins; `begun` is called
  // after that.
  Registry(Engine &engine, const Config &config, std::function<void(rocksdb::WriteBatch &)> stage,
           std::function<void()> begun);

  // Whether this store is part of a cluster.
  bool is_member() const { return !engine_.identity().birth.empty(); }
  StoreFacts facts() const;

  // A store proved to be one of ours, and says this of itself. May begin the cluster.
  Verdict meet(uint64_t store_id, const StoreFacts &theirs);

  // A directory of a version without disk ids that is no part of a cluster: gives it one.
  void draw_disk_id();
  // Begins a cluster of this store alone, if it is alone.
  void begin_alone();
  // A directory of a version without birth ids: gives it that of its cluster.
  void take_over_old_cluster(const std::vector<uint64_t> &voters);

  // The newest format of entries that all of these stores, and this one, have announced to read.
  // What was never announced is the first.
  uint64_t entry_version_of(const std::vector<uint64_t> &stores) const;

 private:
  void begin(const std::string &birth);
  void remember(uint64_t store_id, const KnownStore &store);

  Engine &engine_;
  const Config &config_;
  std::function<void(rocksdb::WriteBatch &)> stage_;
  std::function<void()> begun_;
  std::map<uint64_t, KnownStore> known_;
  std::map<uint64_t, KnownStore> waiting_;  // empty stores, as long as this one is one
};

}  // namespace kvd
