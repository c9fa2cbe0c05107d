// SPDX-License-Identifier: Apache-2.0
#include "checkpoint.h"

#include <utility>

#include "data_file.h"

namespace kvd {
namespace {

// More than this would hold up the log's writes for too long if it went through memory.
constexpr size_t small_bytes = 1 << 20;

void fill(DataFile &file, uint64_t region_id, const Changes &changes, const ApplyState &state) {
  for (const SlotRange &slots : changes.cleared()) {
    file.clear(data_key_bound(slots.first), data_key_bound(slots.last + 1u));
  }
  // It sorts before all keys.
  file.put(apply_state_key(region_id), state.encode());
  changes.for_each([&](std::string_view data_key, const Changes::Value &value) {
    value ? file.put(data_key, *value) : file.erase(data_key);
  });
  file.finish();
}

}  // namespace

void store_as_file(Engine &engine, uint64_t region_id, const Changes &changes,
                   const ApplyState &state) {
  DataFile file(engine);
  fill(file, region_id, changes, state);
  file.add_to_database();
}

void store_in_memory(Engine &engine, uint64_t region_id, const Changes &changes,
                     const ApplyState &state) {
  rocksdb::WriteBatch batch;
  for (const SlotRange &slots : changes.cleared()) {
    batch.DeleteRange(engine.data(), data_key_bound(slots.first), data_key_bound(slots.last + 1u));
  }
  batch.Put(engine.data(), apply_state_key(region_id), state.encode());
  changes.for_each([&](std::string_view data_key, const Changes::Value &value) {
    if (value) {
      batch.Put(engine.data(), slice_of(data_key), *value);
    } else {
      batch.Delete(engine.data(), slice_of(data_key));
    }
  });
  engine.write_unlogged(batch);
}

Checkpoints::Checkpoints(Engine &engine, Background &thread, uint64_t region_id, KeySpace &keys,
                         std::function<void(uint64_t index)> on_durable)
    : engine_(engine),
      thread_(thread),
      region_id_(region_id),
      keys_(keys),
      on_durable_(std::move(on_durable)) {}

void Checkpoints::start(const ApplyState &state) {
  running_ = true;
  store(state, true, [this] { running_ = false; });
}

void Checkpoints::show(const ApplyState &state, std::function<void()> done) {
  store(state, false, std::move(done));
}

void Checkpoints::abandon() {
  const std::lock_guard lock(gate_->mutex);
  ++gate_->generation;
}

void Checkpoints::store(const ApplyState &state, bool durable, std::function<void()> done) {
  const auto changes = keys_.take_recent();
  const bool as_file = durable || changes->bytes() > small_bytes;
  const uint64_t index = state.index;
  thread_.run(
      [&engine = engine_, gate = gate_, generation = gate_->generation, region = region_id_,
       changes, state, as_file, durable] {
        if (!durable && changes->empty()) return true;
        std::optional<DataFile> file;
        if (as_file) fill(file.emplace(engine), region, *changes, state);
        const std::lock_guard lock(gate->mutex);
        if (gate->generation != generation) return false;
        if (file) {
          file->add_to_database();
        } else {
          store_in_memory(engine, region, *changes, state);
        }
        return true;
      },
      [this, changes, index, as_file, done = std::move(done)](bool stored) {
        if (stored) {
          keys_.stored(changes);
          if (as_file) on_durable_(index);
        }
        done();
      });
}

}  // namespace kvd
