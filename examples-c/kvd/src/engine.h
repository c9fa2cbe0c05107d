// SPDX-License-Identifier: Apache-2.0
// The Store's one RocksDB. All Regions share it, its write-ahead log and its syncs.
//
// Its write-ahead log is for column family `raft`. What is in `data` follows from the Raft log, and
// comes there without it (checkpoint.h); only a new Region and a snapshot that is installed are
// written to both families at once.
//
// Column family `raft`:
//   'i'                                  StoreIdentity (identity.h)
//   'k' store(8)                         KnownStore (identity.h)
//   'x'                                  why this store must not start again
//   's' region(8)                        RaftLocalState: hard state, bounds of the log
//   'l' region(8) index(8)               a log entry: term, kind, flags, payload
// Column family `data`:
//   'a' region(8)                        RaftApplyState: applied index and its term, membership
//   'r' region(8)                        RegionLocalState: the Region's slots
//   'd' slot(2) key                      a value
//
// Numbers in keys are big-endian, so that keys sort by number.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "identity.h"
#include "slot.h"

namespace kvd {

inline rocksdb::Slice slice_of(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view view_of(const rocksdb::Slice &slice) {
  return {slice.data(), slice.size()};
}

std::string raft_state_key(uint64_t region_id);
std::string log_key(uint64_t region_id, uint64_t index);
std::string apply_state_key(uint64_t region_id);
std::string region_state_key(uint64_t region_id);
// Appends nothing to what `out` held: it is replaced, its memory kept.
void make_data_key(std::string &out, uint16_t slot, std::string_view key);
// The first data key of `slot`; of slot_count: the end of all data keys.
std::string data_key_bound(uint32_t slot);
// The user's key in a data key.
std::string_view user_key_of(std::string_view data_key);

class Engine {
 public:
  // Opens the database, or makes one if `may_begin`; fatal() if that fails, if it belongs to
  // another store or cluster, or if it must not be opened again. A part of its log that cannot be
  // read, but for an incomplete end, is no reason to go on without it. At most `max_open_files`
  // table files are open at a time.
  static std::unique_ptr<Engine> open(const std::string &directory, const std::string &cluster_id,
                                      uint64_t store_id, bool may_begin = true,
                                      int max_open_files = 512);
  ~Engine();
  Engine(const Engine &) = delete;
  Engine &operator=(const Engine &) = delete;

  const std::string &directory() const { return directory_; }
  const StoreIdentity &identity() const { return identity_; }
  // Writes the batch and the identity together, durably.
  void set_identity(const StoreIdentity &identity, rocksdb::WriteBatch &batch);
  std::map<uint64_t, KnownStore> known_stores();
  static void put_known_store(rocksdb::WriteBatch &batch, rocksdb::ColumnFamilyHandle *family,
                              uint64_t store_id, const KnownStore &store);
  // This store must not start again under its id.
  void give_up(const std::string &reason);

  rocksdb::DB &db() { return *db_; }
  rocksdb::ColumnFamilyHandle *raft() { return raft_; }
  rocksdb::ColumnFamilyHandle *data() { return data_; }

  // Writes the batch, all of it or nothing. fatal() if the disk does not take it: what is on it is
  // unknown then, and going on could acknowledge what is lost.
  void write(rocksdb::WriteBatch &batch, bool sync);
  // The same without the write-ahead log: a crash may take it away again, all of it or nothing.
  void write_unlogged(rocksdb::WriteBatch &batch);

  // For files that are to become a part of `data` (data_file.h): their options, and a name.
  const rocksdb::Options &data_options() const { return data_options_; }
  std::string new_data_file();

  // The value, or nullopt. fatal() on a read error.
  std::optional<std::string> get(rocksdb::ColumnFamilyHandle *family, std::string_view key,
                                 const rocksdb::Snapshot *at = nullptr);
  // The same into a pinned value, which a caller can keep for several reads.
  bool get(rocksdb::ColumnFamilyHandle *family, std::string_view key, rocksdb::PinnableSlice &value,
           const rocksdb::Snapshot *at = nullptr);

  // An iterator over `family` from `from` (included) to `to` (excluded), which must outlive it.
  std::unique_ptr<rocksdb::Iterator> scan(rocksdb::ColumnFamilyHandle *family,
                                          const rocksdb::Slice &from, const rocksdb::Slice &to,
                                          const rocksdb::Snapshot *at = nullptr);

  // RocksDB's estimate of the number of keys.
  uint64_t estimated_keys();
  // About the bytes of keys and values in `data`'s files, old versions included. Reads files.
  uint64_t estimated_bytes();

 private:
  Engine() = default;
  void load_identity(const std::string &cluster_id, uint64_t store_id, bool may_begin);

  std::string directory_;
  StoreIdentity identity_;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::Options data_options_;
  std::string incoming_directory_;  // files that are not a part of the database yet
  std::atomic<uint64_t> files_made_ = 0;
  rocksdb::ColumnFamilyHandle *raft_ = nullptr;
  rocksdb::ColumnFamilyHandle *data_ = nullptr;
  rocksdb::ColumnFamilyHandle *default_ = nullptr;
};

}  // namespace kvd
