// SPDX-License-Identifier: Apache-2.0
#include "engine.h"

#include <fcntl.h>
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "bytes.h"
#include "log.h"
#include "random_bytes.h"
#include "witness.h"

namespace kvd {
namespace {

constexpr std::string_view identity_key = "i";
constexpr std::string_view given_up_key = "x";
constexpr size_t room_needed = 4 << 20;
constexpr char known_store_kind = 'k';
constexpr size_t slot_prefix_bytes = 3;  // 'd' and the slot

std::string region_key(char kind, uint64_t region_id) {
  std::string key(1, kind);
  put_big_endian(key, region_id);
  return key;
}

void require(const rocksdb::Status &status, const char *what) {
  if (!status.ok()) fatal("%s: %s", what, status.ToString().c_str());
}

rocksdb::DBOptions database_options() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  // What is damaged is not taken for the end of the log: a store that starts with half of it has
  // lost what it acknowledged. Only a last record that is not all there was never acknowledged.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.track_and_verify_wals_in_manifest = true;
  options.max_background_jobs = 2;
  options.max_total_wal_size = 512 << 20;
  // Large files go to the disk while they are written: a burst of them at the end would hold up
  // syncs.
  options.bytes_per_sync = 1 << 20;
  // Only one thread writes, so concurrent insertion would only cost.
  options.allow_concurrent_memtable_write = false;
  options.enable_write_thread_adaptive_yield = false;
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.keep_log_file_num = 4;
  return options;
}

rocksdb::ColumnFamilyOptions family_options(const std::shared_ptr<rocksdb::Cache> &cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.block_size = 16 << 10;
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = 64 << 20;
  options.compression = rocksdb::kNoCompression;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

// A database that finds no room when it opens does not say so in a way that helps.
void require_room(const std::string &directory) {
  const std::string path = directory + "/room";
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const std::string block(64 << 10, 'x');
  bool written = file >= 0;
  for (size_t size = 0; written && size < room_needed; size += block.size()) {
    written = write(file, block.data(), block.size()) == static_cast<ssize_t>(block.size());
  }
  written = written && fsync(file) == 0;
  const int problem = errno;
  if (file >= 0) close(file);
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  if (!written) {
    fatal("there is no room in the data directory %s (%zu bytes are needed to start): %s",
          directory.c_str(), room_needed, strerror(problem));
  }
}

// An empty directory is where a cluster begins, and what is left of a store that lost its data.
void refuse_to_begin(const std::string &directory, bool may_begin) {
  if (Witness::exists_in(directory)) {
    fatal(
        "the database in %s is gone, and was there: this store lost data that it had acknowledged, "
        "and must not come back under its id",
        directory.c_str());
  }
  if (may_begin) return;
  fatal(
      "there is no data in %s: a new cluster begins with --bootstrap on all of its stores; a store "
      "that lost its data must not come back under its id (see the README)",
      directory.c_str());
}

bool supports(rocksdb::CompressionType type) {
  const auto supported = rocksdb::GetSupportedCompressions();
  return std::find(supported.begin(), supported.end(), type) != supported.end();
}

}  // namespace

std::string raft_state_key(uint64_t region_id) { return region_key('s', region_id); }
std::string apply_state_key(uint64_t region_id) { return region_key('a', region_id); }
std::string region_state_key(uint64_t region_id) { return region_key('r', region_id); }

std::string log_key(uint64_t region_id, uint64_t index) {
  std::string key = region_key('l', region_id);
  put_big_endian(key, index);
  return key;
}

void make_data_key(std::string &out, uint16_t slot, std::string_view key) {
  out.assign(1, 'd');
  put_big_endian(out, slot);
  out.append(key);
}

std::string data_key_bound(uint32_t slot) {
  std::string key;
  make_data_key(key, static_cast<uint16_t>(slot), "");
  return key;
}

std::string_view user_key_of(std::string_view data_key) { return data_key.substr(3); }

std::unique_ptr<Engine> Engine::open(const std::string &directory, const std::string &cluster_id,
                                     uint64_t store_id, bool may_begin, int max_open_files) {
  std::error_code problem;
  std::filesystem::create_directories(directory, problem);
  if (problem) {
    fatal("cannot make the data directory %s: %s", directory.c_str(), problem.message().c_str());
  }
  require_room(directory);
  if (!std::filesystem::exists(directory + "/CURRENT")) refuse_to_begin(directory, may_begin);
  const auto cache = rocksdb::NewLRUCache(256 << 20);
  rocksdb::ColumnFamilyOptions data_options = family_options(cache);
  // Little is written here but whole files; adding one flushes what is in memory, and the log's
  // writes wait for that.
  data_options.write_buffer_size = 8 << 20;
  data_options.level0_file_num_compaction_trigger = 8;
  data_options.prefix_extractor.reset(rocksdb::NewCappedPrefixTransform(slot_prefix_bytes));
  if (supports(rocksdb::kLZ4Compression)) data_options.compression = rocksdb::kLZ4Compression;
  rocksdb::ColumnFamilyOptions raft_options = family_options(cache);
  // Larger than the log is kept: most entries are compacted while they are in memory, and never go
  // into a table file.
  raft_options.write_buffer_size = 128 << 20;
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, rocksdb::ColumnFamilyOptions()},
      {"raft", raft_options},
      {"data", data_options},
  };
  std::unique_ptr<Engine> engine(new Engine);
  rocksdb::DBOptions options = database_options();
  options.max_open_files = max_open_files;
  rocksdb::DB *db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle *> handles;
  require(rocksdb::DB::Open(options, directory, families, &handles, &db),
          ("cannot open the database in " + directory).c_str());
  engine->directory_ = directory;
  engine->db_.reset(db);
  engine->default_ = handles[0];
  engine->raft_ = handles[1];
  engine->data_ = handles[2];
  engine->data_options_ = rocksdb::Options(options, data_options);
  engine->incoming_directory_ = directory + "/incoming";
  // What a process that ended left half done. The database is locked by now: it is no other's.
  std::filesystem::remove_all(engine->incoming_directory_, problem);
  std::filesystem::create_directory(engine->incoming_directory_, problem);
  if (problem) {
    fatal("cannot make the directory %s: %s", engine->incoming_directory_.c_str(),
          problem.message().c_str());
  }
  engine->load_identity(cluster_id, store_id, may_begin);
  return engine;
}

Engine::~Engine() {
  for (rocksdb::ColumnFamilyHandle *handle : {default_, raft_, data_}) {
    if (handle != nullptr) db_->DestroyColumnFamilyHandle(handle);
  }
}

void Engine::load_identity(const std::string &cluster_id, uint64_t store_id, bool may_begin) {
  const auto stored = get(raft_, identity_key);
  if (!stored) {
    refuse_to_begin(directory_, may_begin);
    rocksdb::WriteBatch batch;
    set_identity({cluster_id, store_id, random_bytes(identity_bytes), ""}, batch);
    return;
  }
  const auto identity = StoreIdentity::decode(*stored);
  if (!identity) fatal("the identity in %s cannot be read", directory_.c_str());
  if (identity->cluster_id != cluster_id || identity->store_id != store_id) {
    fatal("the data directory belongs to store %" PRIu64 " of cluster '%s', not to store %" PRIu64
          " of cluster '%s'",
          identity->store_id, identity->cluster_id.c_str(), store_id, cluster_id.c_str());
  }
  identity_ = *identity;
  if (const auto reason = get(raft_, given_up_key)) {
    fatal("%s It must not come back under its id.", reason->c_str());
  }
}

void Engine::set_identity(const StoreIdentity &identity, rocksdb::WriteBatch &batch) {
  batch.Put(raft_, slice_of(identity_key), identity.encode());
  write(batch, true);
  identity_ = identity;
}

std::map<uint64_t, KnownStore> Engine::known_stores() {
  std::map<uint64_t, KnownStore> stores;
  const std::string from(1, known_store_kind);
  const std::string to(1, known_store_kind + 1);
  const rocksdb::Slice end(to);
  const auto iterator = scan(raft_, from, end);
  for (; iterator->Valid(); iterator->Next()) {
    const auto store = KnownStore::decode(view_of(iterator->value()));
    if (!store || iterator->key().size() != 1 + sizeof(uint64_t)) {
      fatal("what is stored of the other stores cannot be read");
    }
    stores.emplace(get_big_endian<uint64_t>(iterator->key().data() + 1), *store);
  }
  require(iterator->status(), "cannot read what is stored of the other stores");
  return stores;
}

void Engine::put_known_store(rocksdb::WriteBatch &batch, rocksdb::ColumnFamilyHandle *family,
                             uint64_t store_id, const KnownStore &store) {
  batch.Put(family, region_key(known_store_kind, store_id), store.encode());
}

void Engine::give_up(const std::string &reason) {
  rocksdb::WriteBatch batch;
  batch.Put(raft_, slice_of(given_up_key), reason);
  write(batch, true);
}

void Engine::write(rocksdb::WriteBatch &batch, bool sync) {
  rocksdb::WriteOptions options;
  options.sync = sync;
  require(db_->Write(options, &batch), "cannot write to the database");
}

void Engine::write_unlogged(rocksdb::WriteBatch &batch) {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  require(db_->Write(options, &batch), "cannot write to the database");
}

std::string Engine::new_data_file() {
  return incoming_directory_ + "/" + std::to_string(++files_made_) + ".sst";
}

std::optional<std::string> Engine::get(rocksdb::ColumnFamilyHandle *family, std::string_view key,
                                       const rocksdb::Snapshot *at) {
  rocksdb::ReadOptions options;
  options.snapshot = at;
  std::string value;
  const rocksdb::Status status = db_->Get(options, family, slice_of(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  require(status, "cannot read from the database");
  return value;
}

bool Engine::get(rocksdb::ColumnFamilyHandle *family, std::string_view key,
                 rocksdb::PinnableSlice &value, const rocksdb::Snapshot *at) {
  rocksdb::ReadOptions options;
  options.snapshot = at;
  value.Reset();
  const rocksdb::Status status = db_->Get(options, family, slice_of(key), &value);
  if (status.IsNotFound()) return false;
  require(status, "cannot read from the database");
  return true;
}

std::unique_ptr<rocksdb::Iterator> Engine::scan(rocksdb::ColumnFamilyHandle *family,
                                                const rocksdb::Slice &from,
                                                const rocksdb::Slice &to,
                                                const rocksdb::Snapshot *at) {
  rocksdb::ReadOptions options;
  options.snapshot = at;
  options.iterate_upper_bound = &to;
  options.total_order_seek = true;
  std::unique_ptr<rocksdb::Iterator> iterator(db_->NewIterator(options, family));
  iterator->Seek(from);
  return iterator;
}

uint64_t Engine::estimated_keys() {
  uint64_t keys = 0;
  db_->GetIntProperty(data_, rocksdb::DB::Properties::kEstimateNumKeys, &keys);
  return keys;
}

uint64_t Engine::estimated_bytes() {
  std::map<std::string, std::string> properties;
  db_->GetMapProperty(data_, rocksdb::DB::Properties::kAggregatedTableProperties, &properties);
  uint64_t bytes = 0;
  for (const char *const name : {"raw_key_size", "raw_value_size"}) {
    bytes += std::strtoull(properties[name].c_str(), nullptr, 10);
  }
  return bytes;
}

}  // namespace kvd
