// SPDX-License-Identifier: Apache-2.0
#include "witness.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "bytes.h"
#include "crc32c.h"
#include "log.h"

namespace kvd {
namespace {

constexpr std::string_view file_prefix = "witness-";
constexpr std::string_view magic = "kvdwitn1";
constexpr size_t record_bytes = 8 + 6 * sizeof(uint64_t) + sizeof(uint32_t);
// The two records take turns, each in a block of its own: a write that is torn leaves the other.
constexpr off_t block_bytes = 4096;
constexpr auto put_interval = std::chrono::seconds(1);

// What is in the file: the record, and whose it is.
struct Stored {
  uint64_t sequence = 0;
  uint64_t store_id = 0;
  uint64_t region_id = 0;
  WitnessRecord record;
};

std::string encode(const Stored &stored) {
  std::string bytes(magic);
  for (const uint64_t number : {stored.sequence, stored.store_id, stored.region_id,
                                stored.record.term, stored.record.vote, stored.record.last_index}) {
    put_big_endian(bytes, number);
  }
  put_big_endian(bytes, crc32c(bytes));
  return bytes;
}

std::optional<Stored> decode(std::string_view bytes) {
  if (bytes.size() != record_bytes || !bytes.starts_with(magic)) return std::nullopt;
  const std::string_view body = bytes.substr(0, record_bytes - sizeof(uint32_t));
  if (get_big_endian<uint32_t>(body.data() + body.size()) != crc32c(body)) return std::nullopt;
  const auto number = [numbers = body.data() + magic.size()](size_t i) {
    return get_big_endian<uint64_t>(numbers + i * sizeof(uint64_t));
  };
  return Stored{number(0), number(1), number(2), {number(3), number(4), number(5)}};
}

}  // namespace

std::string lost_since(const WitnessRecord &witness, const WitnessRecord &stored) {
  const auto difference = [](const char *what, uint64_t had, uint64_t has) {
    return std::string(what) + " " + std::to_string(had) + " was reached, and " +
           std::to_string(has) + " is stored";
  };
  if (stored.term < witness.term) return difference("term", witness.term, stored.term);
  if (stored.term == witness.term && witness.vote != 0 && stored.vote != witness.vote) {
    return "in term " + std::to_string(witness.term) +
           difference(" a vote for store", witness.vote, stored.vote);
  }
  if (stored.last_index < witness.last_index) {
    return difference("log index", witness.last_index, stored.last_index);
  }
  return "";
}

Witness::Witness(const std::string &directory, uint64_t store_id, uint64_t region_id)
    : path_(directory + "/" + std::string(file_prefix) + std::to_string(region_id)),
      store_id_(store_id),
      region_id_(region_id) {
  file_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file_ < 0) fatal("cannot open %s: %s", path_.c_str(), strerror(errno));
  bool empty = true;
  for (const off_t block : {off_t{0}, block_bytes}) {
    std::string bytes(record_bytes, '\0');
    const ssize_t got = pread(file_, bytes.data(), bytes.size(), block);
    if (got < 0) fatal("cannot read %s: %s", path_.c_str(), strerror(errno));
    bytes.resize(static_cast<size_t>(got));
    empty = empty && got == 0;
    const auto found = decode(bytes);
    if (found && (found->store_id != store_id || found->region_id != region_id)) {
      fatal("%s is that of store %" PRIu64 ", region %" PRIu64
            ": what this store's log had is not known",
            path_.c_str(), found->store_id, found->region_id);
    }
    if (!found || (record_ && found->sequence < sequence_)) continue;
    sequence_ = found->sequence;
    record_ = found->record;
  }
  if (!record_ && !empty)
    fatal("%s is damaged: this directory is not to be relied on", path_.c_str());
}

Witness::~Witness() {
  catch_up();
  close(file_);
}

bool Witness::exists_in(const std::string &directory) {
  std::error_code problem;
  for (const auto &entry : std::filesystem::directory_iterator(directory, problem)) {
    if (entry.path().filename().string().starts_with(file_prefix)) return true;
  }
  return false;
}

void Witness::put(const WitnessRecord &record, bool sync) {
  const std::string bytes = encode({++sequence_, store_id_, region_id_, record});
  const off_t block = sequence_ % 2 == 0 ? 0 : block_bytes;
  if (pwrite(file_, bytes.data(), bytes.size(), block) != static_cast<ssize_t>(bytes.size()) ||
      (sync && fdatasync(file_) != 0)) {
    fatal("cannot write to %s: %s", path_.c_str(), strerror(errno));
  }
  record_ = record;
  put_off_.reset();
  last_put_ = std::chrono::steady_clock::now();
}

void Witness::write(const WitnessRecord &record) {
  put(record, true);
  // The name of a new file must be durable, too.
  const std::string directory = std::filesystem::path(path_).parent_path().string();
  const int handle = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle < 0 || fsync(handle) != 0) {
    fatal("cannot sync %s: %s", directory.c_str(), strerror(errno));
  }
  close(handle);
}

void Witness::before_write(const WitnessRecord &next) {
  const std::lock_guard lock(mutex_);
  if (record_ && next.last_index < record_->last_index) {
    put({record_->term, record_->vote, next.last_index}, true);
  }
  if (put_off_ && next.last_index < put_off_->last_index) put_off_.reset();
}

void Witness::after_write(const WitnessRecord &next) {
  const std::lock_guard lock(mutex_);
  if (!record_ || next.term != record_->term || next.vote != record_->vote) return put(next, true);
  if (next.last_index <= record_->last_index) return;
  put_off_ = next;
  if (std::chrono::steady_clock::now() - last_put_ >= put_interval) put_what_was_put_off();
}

void Witness::catch_up() {
  const std::lock_guard lock(mutex_);
  put_what_was_put_off();
}

void Witness::put_what_was_put_off() {
  if (put_off_) put(WitnessRecord(*put_off_), false);
}

}  // namespace kvd
