// SPDX-License-Identifier: Apache-2.0
// A file beside the database that knows how far a Region's log was: a store whose database has lost
// its end, and so its vote and what it acknowledged, is recognised at the next start.
//
// The file names its store and Region: that of another one may know less.
//
// The file never claims more than is durable in the database. It is written after the database, and
// before it where the log gets shorter.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

namespace kvd {

struct WitnessRecord {
  uint64_t term = 0;
  uint64_t vote = 0;        // in that term
  uint64_t last_index = 0;  // the log has at least this

  bool operator==(const WitnessRecord &) const = default;
};

// What the database lacks of what the witness saw; empty if it has all.
std::string lost_since(const WitnessRecord &witness, const WitnessRecord &stored);

class Witness {
 public:
  // Opens the file of a store's Region, or makes an empty one; fatal() if that fails, if neither of
  // its two records is whole, or if it is of another store or Region.
  Witness(const std::string &directory, uint64_t store_id, uint64_t region_id);
  ~Witness();
  Witness(const Witness &) = delete;
  Witness &operator=(const Witness &) = delete;

  // Whether the directory has the file of some Region.
  static bool exists_in(const std::string &directory);

  // What was written last; nullopt if nothing was.
  const std::optional<WitnessRecord> &record() const { return record_; }

  // Writes the record and syncs it.
  void write(const WitnessRecord &record);

  // Around a write to the database that leads to `next`: before it, and once it is durable. A sync
  // of the file is needed only if term or vote change, or the log gets shorter; the last index is
  // written now and then, and not synced.
  void before_write(const WitnessRecord &next);
  void after_write(const WitnessRecord &next);
  // Writes what after_write() has put off.
  void catch_up();

 private:
  void put(const WitnessRecord &record, bool sync);
  void put_what_was_put_off();

  // The loop installs snapshots, and the storage thread catches up by itself.
  std::mutex mutex_;
  std::string path_;
  const uint64_t store_id_;
  const uint64_t region_id_;
  int file_ = -1;
  uint64_t sequence_ = 0;
  std::optional<WitnessRecord> record_;
  std::optional<WitnessRecord> put_off_;
  std::chrono::steady_clock::time_point last_put_;
};

}  // namespace kvd
