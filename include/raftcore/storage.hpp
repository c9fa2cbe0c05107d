// SPDX-License-Identifier: Apache-2.0
#ifndef RAFTCORE_STORAGE_HPP
#define RAFTCORE_STORAGE_HPP

#include <cstdint>
#include <string_view>
#include <utility>

#include "detail.hpp"

namespace raftcore {

/// Takes the entries that Storage::entries answers.
class EntrySink {
 public:
  /// Of the library's.
  explicit EntrySink(raft_entry_sink *sink) noexcept : sink_(sink) {}

  /// Copies the entry. False if there is room for no more: stop then.
  bool push(const raft_entry &entry) {
    const raft_status status = raft_entry_sink_push(sink_, &entry);
    if (status != RAFT_ERR_TOO_LARGE) {
      check(status);
    }
    return status == RAFT_OK;
  }

 private:
  raft_entry_sink *sink_;
};

/// Takes the membership that Storage::initial_state answers.
class ConfStateSink {
 public:
  /// Of the library's.
  explicit ConfStateSink(raft_conf_state_sink *sink) noexcept : sink_(sink) {}

  /// Copies the membership.
  void set(const raft_conf_state &state) { check(raft_conf_state_sink_set(sink_, &state)); }
  /// The same of what encode() wrote.
  void set_encoded(std::string_view encoded) {
    check(raft_conf_state_sink_set_encoded(sink_, slice(encoded)));
  }

 private:
  raft_conf_state_sink *sink_;
};

/// Takes the snapshot that Storage::snapshot answers.
class SnapshotSink {
 public:
  /// Of the library's.
  explicit SnapshotSink(raft_snapshot_sink *sink) noexcept : sink_(sink) {}

  /// Copies the snapshot.
  void set(const raft_snapshot &snapshot) { check(raft_snapshot_sink_set(sink_, &snapshot)); }

  /// The same without copying the data, of which snapshot.data says nothing.
  template <typename T>
  void set_owned(raft_snapshot snapshot, T data) {
    detail::Given<T> given(std::move(data));
    snapshot.data = given.bytes();
    check(raft_snapshot_sink_set_owned(sink_, &snapshot, given.release, given.context()));
  }
  /// The same of what encode() wrote.
  void set_encoded(std::string_view encoded) {
    check(raft_snapshot_sink_set_encoded(sink_, slice(encoded)));
  }

 private:
  raft_snapshot_sink *sink_;
};

/// The host's durable log as the node reads it: raft_storage in raftcore.h has the contract. Throw
/// Error(RAFT_ERR_COMPACTED) and so on; any other exception counts as RAFT_ERR_IO. The call that had
/// the node read it throws Error(RAFT_ERR_STORAGE) then, and has changed nothing.
class Storage {
 public:
  virtual ~Storage() = default;
  /// What was stored last; an empty membership if nothing ever was.
  virtual void initial_state(raft_hard_state &hard_state, ConfStateSink conf_state) = 0;
  /// Entries low to high - 1, in order, until `out` has room for no more.
  virtual void entries(std::uint64_t low, std::uint64_t high, std::uint64_t max_bytes,
                       EntrySink out) = 0;
  /// Term of the entry at `index`, first_index() - 1 included.
  virtual std::uint64_t term(std::uint64_t index) = 0;
  /// Index of the first entry that is there, or would be.
  virtual std::uint64_t first_index() = 0;
  /// Index of the last entry; first_index() - 1 if there is none.
  virtual std::uint64_t last_index() = 0;
  /// The latest snapshot.
  virtual void snapshot(SnapshotSink out) = 0;
  /// The same for this peer, for hosts that make snapshots on demand: see raft_storage.snapshot_for.
  virtual void snapshot_for(std::uint64_t peer, SnapshotSink out) {
    static_cast<void>(peer);
    snapshot(out);
  }
};

namespace detail {

inline Storage &storage(void *context) noexcept { return *static_cast<Storage *>(context); }

// The callbacks of raft_storage, by way of a Storage. They own it by `release`.
inline raft_storage storage_table(Storage *context) noexcept {
  raft_storage table{};
  table.struct_size = sizeof table;
  table.context = context;
  table.initial_state = [](void *self, raft_hard_state *hard_state, raft_conf_state_sink *out) noexcept {
    return guard([&] { storage(self).initial_state(*hard_state, ConfStateSink(out)); });
  };
  table.entries = [](void *self, std::uint64_t low, std::uint64_t high, std::uint64_t max_bytes,
                     raft_entry_sink *out) noexcept {
    return guard([&] { storage(self).entries(low, high, max_bytes, EntrySink(out)); });
  };
  table.term = [](void *self, std::uint64_t index, std::uint64_t *term) noexcept {
    return guard([&] { *term = storage(self).term(index); });
  };
  table.first_index = [](void *self, std::uint64_t *index) noexcept {
    return guard([&] { *index = storage(self).first_index(); });
  };
  table.last_index = [](void *self, std::uint64_t *index) noexcept {
    return guard([&] { *index = storage(self).last_index(); });
  };
  table.snapshot = [](void *self, raft_snapshot_sink *out) noexcept {
    return guard([&] { storage(self).snapshot(SnapshotSink(out)); });
  };
  table.snapshot_for = [](void *self, std::uint64_t peer, raft_snapshot_sink *out) noexcept {
    return guard([&] { storage(self).snapshot_for(peer, SnapshotSink(out)); });
  };
  table.release = [](void *self) noexcept { delete static_cast<Storage *>(self); };
  return table;
}

}  // namespace detail

}  // namespace raftcore

#endif  // RAFTCORE_STORAGE_HPP
