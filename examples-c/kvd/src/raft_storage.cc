// SPDX-License-Identifier: Apache-2.0
#include "raft_storage.h"

#include <algorithm>
#include <array>
#include <cinttypes>

#include "bytes.h"
#include "log.h"
#include "raft_view.h"

namespace kvd {
namespace {

// A group starts from a snapshot of an empty key space at this place of the log, so that a member
// that joins later is sent the membership with it.
constexpr uint64_t first_snapshot_index = 1;
constexpr uint64_t first_snapshot_term = 1;

struct StoredEntry {
  uint64_t term = 0;
  int32_t kind = 0;
  uint32_t flags = 0;
  std::string_view data;
};

// What stands before an entry's payload.
std::string encode_entry_head(const raft_entry &entry) {
  std::string bytes;
  put_varint(bytes, entry.term);
  put_varint(bytes, static_cast<uint64_t>(entry.kind));
  put_varint(bytes, entry.flags);
  return bytes;
}

void put_entry(rocksdb::WriteBatch &batch, rocksdb::ColumnFamilyHandle *family,
               const std::string &key, const raft_entry &entry) {
  const std::string head = encode_entry_head(entry);
  const rocksdb::Slice key_part(key);
  const std::array<rocksdb::Slice, 2> value_parts = {head, slice_of(view_of(entry.data))};
  batch.Put(family, rocksdb::SliceParts(&key_part, 1),
            rocksdb::SliceParts(value_parts.data(), value_parts.size()));
}

std::optional<StoredEntry> decode_entry(std::string_view bytes) {
  ByteReader reader(bytes);
  const auto term = reader.varint();
  const auto kind = reader.varint();
  const auto flags = reader.varint();
  if (!term || !kind || !flags) return std::nullopt;
  return StoredEntry{*term, static_cast<int32_t>(*kind), static_cast<uint32_t>(*flags),
                     bytes.substr(bytes.size() - reader.remaining())};
}

StoredEntry decode_entry_or_die(std::string_view bytes, uint64_t region_id, uint64_t index) {
  const auto entry = decode_entry(bytes);
  if (!entry) {
    fatal("region %" PRIu64 ": log entry %" PRIu64 " cannot be decoded", region_id, index);
  }
  return *entry;
}

std::string encode_membership(const raft_conf_state &membership) {
  std::string bytes;
  size_t needed = 0;
  raft_status status = raft_conf_state_encode(&membership, nullptr, 0, &needed);
  if (status == RAFT_ERR_TOO_LARGE) {
    bytes.resize(needed);
    status = raft_conf_state_encode(&membership, reinterpret_cast<uint8_t *>(bytes.data()), needed,
                                    &needed);
  }
  if (status != RAFT_OK) fatal("cannot encode the membership: %s", raft_status_message(status));
  return bytes;
}

RaftStorage &self(void *context) { return *static_cast<RaftStorage *>(context); }

}  // namespace

std::string RaftStorage::LogState::encode() const {
  std::string bytes;
  for (const uint64_t number : {hard_state.term, hard_state.vote, hard_state.commit,
                                truncated_index, truncated_term, last_index}) {
    put_varint(bytes, number);
  }
  return bytes;
}

std::optional<RaftStorage::LogState> RaftStorage::LogState::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  LogState state;
  for (uint64_t *number : {&state.hard_state.term, &state.hard_state.vote, &state.hard_state.commit,
                           &state.truncated_index, &state.truncated_term, &state.last_index}) {
    const auto value = reader.varint();
    if (!value) return std::nullopt;
    *number = *value;
  }
  if (!reader.empty()) return std::nullopt;
  return state;
}

RaftStorage::RaftStorage(Engine &engine, SnapshotCache &snapshots, uint64_t region_id)
    : engine_(engine), snapshots_(snapshots), region_id_(region_id) {
  load();
}

bool RaftStorage::exists(Engine &engine, uint64_t region_id) {
  return engine.get(engine.raft(), raft_state_key(region_id)).has_value();
}

void RaftStorage::bootstrap(Engine &engine, uint64_t region_id, const std::vector<uint64_t> &voters,
                            rocksdb::WriteBatch &batch) {
  raft_conf_state membership{};
  membership.voters = voters.data();
  membership.voters_len = voters.size();
  ApplyState applied;
  applied.index = first_snapshot_index;
  applied.term = first_snapshot_term;
  applied.conf_state = encode_membership(membership);
  LogState log;
  log.hard_state.term = first_snapshot_term;
  log.hard_state.commit = first_snapshot_index;
  log.truncated_index = first_snapshot_index;
  log.truncated_term = first_snapshot_term;
  log.last_index = first_snapshot_index;
  batch.Put(engine.data(), apply_state_key(region_id), applied.encode());
  batch.Put(engine.raft(), raft_state_key(region_id), log.encode());
}

WitnessRecord RaftStorage::first_position() {
  return {first_snapshot_term, 0, first_snapshot_index};
}

void RaftStorage::load() {
  const auto log =
      LogState::decode(engine_.get(engine_.raft(), raft_state_key(region_id_)).value_or(""));
  const auto applied =
      ApplyState::decode(engine_.get(engine_.data(), apply_state_key(region_id_)).value_or(""));
  if (!log || !applied) fatal("region %" PRIu64 ": its stored state cannot be read", region_id_);
  log_ = *log;
  applied_ = *applied;
  if (applied_.index < log_.truncated_index || applied_.index > log_.last_index) {
    fatal("region %" PRIu64 ": applied index %" PRIu64 " is not in the log (%" PRIu64 " to %" PRIu64
          ")",
          region_id_, applied_.index, log_.truncated_index, log_.last_index);
  }
  // What is applied was committed, whether or not that was stored before the process ended.
  log_.hard_state.commit = std::max(log_.hard_state.commit, applied_.index);
  if (log_.hard_state.commit > log_.last_index) {
    fatal("region %" PRIu64 ": commit index %" PRIu64 " is beyond the log's end %" PRIu64,
          region_id_, log_.hard_state.commit, log_.last_index);
  }
  staged_log_ = log_;
  staged_applied_ = applied_;
  durable_index_ = staged_durable_index_ = applied_.index;
}

raft_storage RaftStorage::callbacks() {
  raft_storage table{};
  table.struct_size = sizeof table;
  table.context = this;
  table.initial_state = [](void *context, raft_hard_state *hard_state,
                           raft_conf_state_sink *conf_state) noexcept {
    return self(context).initial_state(hard_state, conf_state);
  };
  // The sink counts bytes itself and says when there are enough.
  table.entries = [](void *context, uint64_t low, uint64_t high, uint64_t,
                     raft_entry_sink *out) noexcept {
    return self(context).entries(low, high, out);
  };
  table.term = [](void *context, uint64_t index, uint64_t *term) noexcept {
    return self(context).term(index, term);
  };
  table.first_index = [](void *context, uint64_t *index) noexcept -> raft_status {
    *index = self(context).first_index();
    return RAFT_OK;
  };
  table.last_index = [](void *context, uint64_t *index) noexcept -> raft_status {
    *index = self(context).last_index();
    return RAFT_OK;
  };
  table.snapshot = [](void *context, raft_snapshot_sink *out) noexcept {
    return self(context).snapshot(out);
  };
  return table;
}

raft_status RaftStorage::initial_state(raft_hard_state *hard_state,
                                       raft_conf_state_sink *conf_state) {
  *hard_state = log_.hard_state;
  return raft_conf_state_sink_set_encoded(conf_state, raft_view(applied_.conf_state));
}

raft_status RaftStorage::entries(uint64_t low, uint64_t high, raft_entry_sink *out) {
  if (low <= log_.truncated_index) return RAFT_ERR_COMPACTED;
  if (high > log_.last_index + 1) return RAFT_ERR_UNAVAILABLE;
  const std::string from = log_key(region_id_, low);
  const std::string to = log_key(region_id_, high);
  const rocksdb::Slice end(to);
  const auto iterator = engine_.scan(engine_.raft(), from, end);
  for (uint64_t index = low; index < high; ++index, iterator->Next()) {
    if (!iterator->Valid() || iterator->key() != log_key(region_id_, index)) {
      fatal("region %" PRIu64 ": log entry %" PRIu64 " is missing (%s)", region_id_, index,
            iterator->status().ToString().c_str());
    }
    const StoredEntry stored = decode_entry_or_die(view_of(iterator->value()), region_id_, index);
    const raft_entry entry{stored.term, index, stored.kind, stored.flags, raft_view(stored.data)};
    const raft_status status = raft_entry_sink_push(out, &entry);
    if (status == RAFT_ERR_TOO_LARGE) return RAFT_OK;
    if (status != RAFT_OK) return status;
  }
  return RAFT_OK;
}

raft_status RaftStorage::term(uint64_t index, uint64_t *out) {
  if (index < log_.truncated_index) return RAFT_ERR_COMPACTED;
  if (index > log_.last_index) return RAFT_ERR_UNAVAILABLE;
  if (index == log_.truncated_index) {
    *out = log_.truncated_term;
    return RAFT_OK;
  }
  const auto stored = engine_.get(engine_.raft(), log_key(region_id_, index));
  if (!stored) fatal("region %" PRIu64 ": log entry %" PRIu64 " is missing", region_id_, index);
  *out = decode_entry_or_die(*stored, region_id_, index).term;
  return RAFT_OK;
}

raft_status RaftStorage::snapshot(raft_snapshot_sink *out) {
  const Snapshot *snapshot = snapshots_.get(log_.truncated_index);
  if (snapshot == nullptr) return RAFT_ERR_SNAPSHOT_UNAVAILABLE;
  raft_conf_state_buffer *membership = nullptr;
  raft_status status = raft_conf_state_decode(raft_view(snapshot->state.conf_state), &membership);
  if (status != RAFT_OK) return status;
  raft_snapshot whole{};
  whole.term = snapshot->state.term;
  whole.index = snapshot->state.index;
  whole.data = raft_view(snapshot->data);
  status = raft_conf_state_buffer_view(membership, &whole.conf_state);
  if (status == RAFT_OK) status = raft_snapshot_sink_set(out, &whole);
  raft_conf_state_buffer_free(membership);
  return status;
}

void RaftStorage::stage_ready(const raft_ready_view &ready, rocksdb::WriteBatch &batch) {
  if (ready.snapshot != nullptr && is_newer(*ready.snapshot)) {
    stage_snapshot(*ready.snapshot, batch);
  }
  if (ready.has_hard_state) staged_log_.hard_state = ready.hard_state;
  if (ready.entries_len > 0) stage_entries(ready.entries, ready.entries_len, batch);
  if (ready.snapshot != nullptr || ready.has_hard_state || ready.entries_len > 0) {
    put_log_state(batch);
  }
}

void RaftStorage::remember_commit(const raft_ready_view &ready) {
  if (ready.has_hard_state) staged_log_.hard_state.commit = ready.hard_state.commit;
}

void RaftStorage::stage_snapshot(const raft_snapshot &snapshot, rocksdb::WriteBatch &batch) {
  batch.DeleteRange(engine_.raft(), log_key(region_id_, 0), log_key(region_id_, UINT64_MAX));
  staged_log_.truncated_index = snapshot.index;
  staged_log_.truncated_term = snapshot.term;
  staged_log_.last_index = snapshot.index;
  staged_applied_.conf_state = encode_membership(snapshot.conf_state);
}

void RaftStorage::stage_entries(const raft_entry *entries, size_t count,
                                rocksdb::WriteBatch &batch) {
  const uint64_t first = entries[0].index;
  const uint64_t last = entries[count - 1].index;
  if (first <= staged_log_.truncated_index || first > staged_log_.last_index + 1) {
    fatal("region %" PRIu64 ": entries from %" PRIu64 " do not fit the log (%" PRIu64 " to %" PRIu64
          ")",
          region_id_, first, staged_log_.truncated_index + 1, staged_log_.last_index);
  }
  for (size_t i = 0; i < count; ++i) {
    put_entry(batch, engine_.raft(), log_key(region_id_, entries[i].index), entries[i]);
  }
  // What a former leader left behind them goes: the log ends with its newest entry.
  for (uint64_t index = last + 1; index <= staged_log_.last_index; ++index) {
    batch.Delete(engine_.raft(), log_key(region_id_, index));
  }
  staged_log_.last_index = last;
}

void RaftStorage::put_log_state(rocksdb::WriteBatch &batch) {
  batch.Put(engine_.raft(), raft_state_key(region_id_), staged_log_.encode());
}

void RaftStorage::stage_conf_state(std::string_view encoded) {
  staged_applied_.conf_state.assign(encoded);
}

void RaftStorage::stage_applied(uint64_t index, uint64_t term) {
  staged_applied_.index = index;
  staged_applied_.term = term;
}

void RaftStorage::stage_apply_state(rocksdb::WriteBatch &batch) {
  batch.Put(engine_.data(), apply_state_key(region_id_), staged_applied_.encode());
  staged_durable_index_ = staged_applied_.index;
}

void RaftStorage::note_durable(uint64_t applied_index) {
  durable_index_ = std::max(durable_index_, applied_index);
}

void RaftStorage::stage_compaction(uint64_t index, rocksdb::WriteBatch &batch) {
  uint64_t index_term = 0;
  if (index <= staged_log_.truncated_index || index > durable_index_ ||
      term(index, &index_term) != RAFT_OK) {
    return;
  }
  batch.DeleteRange(engine_.raft(), log_key(region_id_, staged_log_.truncated_index + 1),
                    log_key(region_id_, index + 1));
  staged_log_.truncated_index = index;
  staged_log_.truncated_term = index_term;
  put_log_state(batch);
}

void RaftStorage::finish() {
  log_ = staged_log_;
  applied_ = staged_applied_;
  note_durable(staged_durable_index_);
}

}  // namespace kvd
