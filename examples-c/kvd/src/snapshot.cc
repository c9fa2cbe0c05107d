// SPDX-License-Identifier: Apache-2.0
#include "snapshot.h"

#include <algorithm>
#include <cinttypes>

#include "bytes.h"
#include "log.h"

namespace kvd {
namespace {

constexpr char snapshot_version = 1;
constexpr size_t header_bytes = 1 + sizeof(uint64_t);
constexpr auto idle_time = std::chrono::minutes(1);

// Calls visit(key, value) for each key of a snapshot; false if the bytes are malformed.
template <typename Visit>
bool for_each_item(std::string_view bytes, const Visit &visit) {
  ByteReader reader(bytes);
  if (reader.byte() != snapshot_version) return false;
  const auto count = reader.big_endian<uint64_t>();
  if (!count) return false;
  for (uint64_t i = 0; i < *count; ++i) {
    const auto key = reader.string();
    const auto value = reader.string();
    if (!key || !value || !visit(*key, *value)) return false;
  }
  return reader.empty();
}

}  // namespace

std::string ApplyState::encode() const {
  std::string bytes;
  put_varint(bytes, index);
  put_varint(bytes, term);
  put_string(bytes, conf_state);
  return bytes;
}

std::optional<ApplyState> ApplyState::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  const auto index = reader.varint();
  const auto term = reader.varint();
  const auto conf_state = reader.string();
  if (!index || !term || !conf_state || !reader.empty()) return std::nullopt;
  return ApplyState{*index, *term, std::string(*conf_state)};
}

std::optional<Snapshot> build_snapshot(Engine &engine, uint64_t region_id, SlotRange slots,
                                       uint64_t max_bytes) {
  rocksdb::ManagedSnapshot moment(&engine.db());
  Snapshot snapshot;
  const auto state = engine.get(engine.data(), apply_state_key(region_id), moment.snapshot());
  snapshot.state = ApplyState::decode(state.value_or("")).value();
  snapshot.data.push_back(snapshot_version);
  snapshot.data.resize(header_bytes);
  uint64_t count = 0;
  const std::string from = data_key_bound(slots.first);
  const std::string to = data_key_bound(slots.last + 1u);
  const rocksdb::Slice end(to);
  const auto iterator = engine.scan(engine.data(), from, end, moment.snapshot());
  for (; iterator->Valid(); iterator->Next(), ++count) {
    put_string(snapshot.data, user_key_of(view_of(iterator->key())));
    put_string(snapshot.data, view_of(iterator->value()));
    if (snapshot.data.size() > max_bytes) return std::nullopt;
  }
  if (!iterator->status().ok()) {
    fatal("cannot read from the database: %s", iterator->status().ToString().c_str());
  }
  std::string count_bytes;
  put_big_endian(count_bytes, count);
  snapshot.data.replace(1, count_bytes.size(), count_bytes);
  return snapshot;
}

bool is_snapshot_of(std::string_view bytes, SlotRange slots) {
  return for_each_item(
      bytes, [&](std::string_view key, std::string_view) { return slots.contains(slot_of(key)); });
}

void install_snapshot(std::string_view bytes, SlotRange slots, Engine &engine,
                      rocksdb::WriteBatch &batch) {
  batch.DeleteRange(engine.data(), data_key_bound(slots.first), data_key_bound(slots.last + 1u));
  std::string data_key;
  for_each_item(bytes, [&](std::string_view key, std::string_view value) {
    make_data_key(data_key, slot_of(key), key);
    batch.Put(engine.data(), data_key, slice_of(value));
    return true;
  });
}

std::chrono::seconds SnapshotCache::backoff(int failures) {
  return std::chrono::seconds(60) * (1 << std::clamp(failures - 1, 0, 6));
}

void SnapshotCache::wait_longer(State &state, std::chrono::steady_clock::time_point now) {
  ++state.failures;
  state.retry_at = now + backoff(state.failures);
}

void SnapshotCache::back_off(std::chrono::steady_clock::time_point now) {
  wait_longer(*state_, now);
  state_->ready.reset();
}

const char *SnapshotCache::state() const {
  if (state_->building) return "building";
  if (state_->failures > 0) return "too large";
  return state_->ready ? "ready" : "none";
}

std::chrono::seconds SnapshotCache::retry_in(std::chrono::steady_clock::time_point now) const {
  if (state_->failures == 0 || now >= state_->retry_at) return {};
  return std::chrono::duration_cast<std::chrono::seconds>(state_->retry_at - now) +
         std::chrono::seconds(1);
}

SnapshotCache::SnapshotCache(Engine &engine, Background &background, uint64_t region_id,
                             SlotRange slots, uint64_t max_bytes)
    : engine_(engine),
      background_(background),
      region_id_(region_id),
      slots_(slots),
      max_bytes_(max_bytes),
      state_(std::make_shared<State>()) {}

const Snapshot *SnapshotCache::get(uint64_t first_useful_index) {
  state_->last_use = std::chrono::steady_clock::now();
  if (state_->ready && state_->ready->state.index >= first_useful_index) return &*state_->ready;
  if (state_->building || state_->last_use < state_->retry_at) return nullptr;
  state_->building = true;
  state_->ready.reset();
  background_.run(
      [&engine = engine_, region = region_id_, slots = slots_, max_bytes = max_bytes_] {
        return build_snapshot(engine, region, slots, max_bytes);
      },
      [state = state_, region = region_id_, limit = max_bytes_](std::optional<Snapshot> made) {
        state->building = false;
        state->ready = std::move(made);
        if (state->ready) {
          state->failures = 0;
          KVD_LOG(info, "region %" PRIu64 " made a snapshot at index %" PRIu64 ", %zu bytes",
                  region, state->ready->state.index, state->ready->data.size());
        } else {
          wait_longer(*state, std::chrono::steady_clock::now());
          KVD_LOG(error,
                  "region %" PRIu64 " is too large for a snapshot (--max-snapshot-bytes %" PRIu64
                  "): a store that needs one stays behind; the next try is in %d s",
                  region, limit, static_cast<int>(backoff(state->failures).count()));
        }
      });
  return nullptr;
}

void SnapshotCache::expire(std::chrono::steady_clock::time_point now) {
  if (state_->ready && now - state_->last_use > idle_time) state_->ready.reset();
}

}  // namespace kvd
