// SPDX-License-Identifier: Apache-2.0
// The log on disk keeps the contract of raft_storage, rule by rule.
#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <memory>
#include <string>

#include "raft_storage.h"
#include "raft_view.h"
#include "test_engine.h"

namespace kvd {
namespace {

constexpr uint64_t region_id = 1;

// A Region's storage as the Store keeps it, opened and written as a Peer does it.
class Subject {
 public:
  Subject() {
    table_.struct_size = sizeof table_;
    table_.context = this;
    table_.storage = &reads_;
    table_.reset = [](void *self) { return of(self).reset(); };
    table_.persist = [](void *self, const raft_persist *what) { return of(self).persist(*what); };
    table_.compact = [](void *self, uint64_t index) { return of(self).compact(index); };
    table_.reopen = [](void *self, int32_t how) { return of(self).reopen(how); };
    // The storage's own callbacks, but for the snapshot's: that one is waited for.
    reads_.struct_size = sizeof reads_;
    reads_.context = this;
    reads_.initial_state = [](void *self, raft_hard_state *state, raft_conf_state_sink *members) {
      return of(self).storage_->initial_state(state, members);
    };
    reads_.entries = [](void *self, uint64_t low, uint64_t high, uint64_t, raft_entry_sink *out) {
      return of(self).storage_->entries(low, high, out);
    };
    reads_.term = [](void *self, uint64_t index, uint64_t *out) {
      return of(self).storage_->term(index, out);
    };
    reads_.first_index = [](void *self, uint64_t *out) -> raft_status {
      *out = of(self).storage_->first_index();
      return RAFT_OK;
    };
    reads_.last_index = [](void *self, uint64_t *out) -> raft_status {
      *out = of(self).storage_->last_index();
      return RAFT_OK;
    };
    reads_.snapshot = [](void *self, raft_snapshot_sink *out) { return of(self).snapshot(out); };
  }

  const raft_checked_storage &table() const { return table_; }

 private:
  static Subject &of(void *self) { return *static_cast<Subject *>(self); }

  raft_status reset() {
    close();
    rocksdb::WriteBatch batch;
    batch.DeleteRange(engine_->raft(), log_key(region_id, 0), log_key(region_id, UINT64_MAX));
    RaftStorage::bootstrap(*engine_, region_id, {1}, batch);
    engine_->write(batch, true);
    return open();
  }

  raft_status persist(const raft_persist &what) {
    raft_ready_view ready{};
    ready.entries = what.entries;
    ready.entries_len = what.entries_len;
    ready.has_hard_state = what.hard_state != nullptr;
    if (ready.has_hard_state) ready.hard_state = *what.hard_state;
    ready.has_snapshot = what.snapshot != nullptr;
    ready.snapshot = what.snapshot;
    rocksdb::WriteBatch batch;
    const bool installs = what.snapshot != nullptr && storage_->is_newer(*what.snapshot);
    storage_->stage_ready(ready, batch);
    if (installs) {
      storage_->stage_applied(what.snapshot->index, what.snapshot->term);
      storage_->stage_apply_state(batch);
    }
    engine_->write(batch, what.must_sync);
    storage_->finish();
    return RAFT_OK;
  }

  raft_status compact(uint64_t index) {
    uint64_t term = 0;
    if (storage_->term(index, &term) != RAFT_OK) return RAFT_ERR_COMPACTED;
    rocksdb::WriteBatch applied;
    storage_->stage_applied(index, term);
    storage_->stage_apply_state(applied);
    engine_->write(applied, true);
    storage_->finish();
    rocksdb::WriteBatch batch;
    storage_->stage_compaction(index, batch);
    engine_->write(batch, true);
    storage_->finish();
    return RAFT_OK;
  }

  // A crash is that of the process: what the files hold while the database is open.
  raft_status reopen(int32_t how) {
    close();
    if (how == RAFT_REOPEN_CRASHED) {
      engine_.crash();
    } else {
      engine_.reopen();
    }
    return open();
  }

  raft_status snapshot(raft_snapshot_sink *out) {
    // The first question starts the making of the snapshot.
    raft_status status = storage_->snapshot(out);
    while (status == RAFT_ERR_SNAPSHOT_UNAVAILABLE) {
      loop_.restart();
      loop_.run_for(std::chrono::milliseconds(5));
      status = storage_->snapshot(out);
    }
    return status;
  }

  raft_status open() {
    background_ = std::make_unique<Background>(loop_);
    snapshots_ =
        std::make_unique<SnapshotCache>(*engine_, *background_, region_id, SlotRange{}, 1 << 20);
    storage_ = std::make_unique<RaftStorage>(*engine_, *snapshots_, region_id);
    return RAFT_OK;
  }

  void close() {
    background_.reset();
    storage_.reset();
    snapshots_.reset();
  }

  raft_checked_storage table_{};
  raft_storage reads_{};
  TestEngine engine_;
  asio::io_context loop_;
  std::unique_ptr<Background> background_;
  std::unique_ptr<SnapshotCache> snapshots_;
  std::unique_ptr<RaftStorage> storage_;
};

struct Outcomes {
  int kept = 0;
  int not_checked = 0;
};

TEST(RaftStorage, KeepsEveryRuleOfTheContract) {
  Subject subject;
  Outcomes outcomes;
  const auto note = [](void *context, const raft_storage_finding *finding) {
    EXPECT_NE(finding->outcome, RAFT_RULE_BROKEN)
        << finding->rule << ": " << finding->demand << "\n  expected " << finding->expected
        << "\n  got      " << finding->got;
    Outcomes &count = *static_cast<Outcomes *>(context);
    (finding->outcome == RAFT_RULE_KEPT ? count.kept : count.not_checked)++;
  };
  EXPECT_EQ(raft_storage_check(&subject.table(), note, &outcomes), RAFT_OK);
  EXPECT_GT(outcomes.kept, 40);
  EXPECT_EQ(outcomes.not_checked, 4) << "a disk that fails ends the process: it is not tried; nor is a second opener";
}

}  // namespace
}  // namespace kvd
