// SPDX-License-Identifier: Apache-2.0
#ifndef RAFTCORE_RECOVERY_HPP
#define RAFTCORE_RECOVERY_HPP

#include <cstdint>
#include <string>
#include <string_view>

#include "encoding.hpp"
#include "membership.hpp"
#include "memory_storage.hpp"
#include "storage.hpp"

namespace raftcore {

/// What has to be written so that a survivor, or a group from a backup, can go on: raft_recovery in
/// raftcore.h. view() tells what that means.
class Recovery
    : public Owned<raft_recovery, raft_recovery_plan, raft_recovery_view, raft_recovery_free> {
 public:
  using Owned::Owned;

  /// What to store, as Host::persist does it. Borrows from this object.
  const raft_persist &persist() const { return *view().persist; }
};

/// How far the log of `node` reaches, for choosing the survivor to recover from.
inline raft_log_position log_position(const raft_storage &storage, std::uint64_t node) {
  raft_log_position position{};
  check(raft_recovery_position(&storage, node, &position));
  return position;
}
/// The same of a Storage.
inline raft_log_position log_position(Storage &storage, std::uint64_t node) {
  return log_position(detail::storage_table(&storage), node);
}

/// What a survivor has to store to go on with a new membership. No node runs on the storage.
inline Recovery recover(const raft_storage &storage, raft_recovery_request request) {
  request.struct_size = sizeof request;
  raft_recovery *recovery = nullptr;
  check(raft_recover(&storage, &request, &recovery));
  return Recovery(recovery);
}
/// The same of a Storage.
inline Recovery recover(Storage &storage, const raft_recovery_request &request) {
  return recover(detail::storage_table(&storage), request);
}

namespace detail {

// The table of a log in memory, released when it goes.
class LentTable {
 public:
  explicit LentTable(const MemoryStorage &storage)
      : table_(filled<raft_storage>(
            [&](raft_storage *out) { return raft_memory_storage_table(storage.handle(), out); })) {}
  LentTable(const LentTable &) = delete;
  LentTable &operator=(const LentTable &) = delete;
  ~LentTable() { table_.release(table_.context); }

  const raft_storage &get() const noexcept { return table_; }

 private:
  raft_storage table_;
};

}  // namespace detail

/// The same of a log in memory.
inline raft_log_position log_position(const MemoryStorage &storage, std::uint64_t node) {
  return log_position(detail::LentTable(storage).get(), node);
}
/// The same of a log in memory.
inline Recovery recover(const MemoryStorage &storage, const raft_recovery_request &request) {
  return recover(detail::LentTable(storage).get(), request);
}

/// A backup of a snapshot.
inline std::string encode_backup(const raft_snapshot &snapshot) {
  return detail::sized([&](std::uint8_t *to, std::size_t room, std::size_t *needed) {
    return raft_backup_encode(&snapshot, to, room, needed);
  });
}

/// What a backup holds.
inline Snapshot decode_backup(std::string_view backup) {
  raft_snapshot_buffer *snapshot = nullptr;
  check(raft_backup_decode(slice(backup), &snapshot));
  return Snapshot(snapshot);
}

/// What each first member of a new group has to store to start from a backup.
inline Recovery restore(std::string_view backup, const Members &members) {
  const raft_conf_state state = members.view();
  raft_recovery *recovery = nullptr;
  check(raft_restore(slice(backup), &state, &recovery));
  return Recovery(recovery);
}

}  // namespace raftcore

#endif  // RAFTCORE_RECOVERY_HPP
