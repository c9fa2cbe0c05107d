// SPDX-License-Identifier: Apache-2.0
#ifndef RAFTCORE_MEMORY_STORAGE_HPP
#define RAFTCORE_MEMORY_STORAGE_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "encoding.hpp"
#include "membership.hpp"
#include "node.hpp"
#include "ready.hpp"

namespace raftcore {

/// A log in memory that the host holds: raft_memory_storage in raftcore.h. A node that node() makes keeps
/// the log, also if this object goes before it.
class MemoryStorage {
 public:
  /// For a first member of a group; without members, for a node that joins later.
  explicit MemoryStorage(const Members *members = nullptr) {
    const raft_conf_state state = members != nullptr ? members->view() : raft_conf_state{};
    raft_memory_storage *storage = nullptr;
    check(raft_memory_storage_new(members != nullptr ? &state : nullptr, &storage));
    storage_.reset(storage);
  }

  /// A node that reads this log, from where it stands.
  Node node(const raft_config &config) const {
    const auto table = detail::filled<raft_storage>(
        [&](raft_storage *out) { return raft_memory_storage_table(handle(), out); });
    raft_node *node = nullptr;
    check(raft_node_new(&config, &table, &node));  // which releases the table if it fails
    return Node(node);
  }

  /// Stores what Host::persist was given.
  void persist(const raft_persist &what) { check(raft_memory_storage_persist(handle(), &what)); }
  /// Stores what a view wants stored.
  void store(const Ready &ready) { check(raft_memory_storage_store(handle(), ready.handle())); }
  /// Stores entries; they replace what is stored from the first one's index on.
  void append(const raft_entry *entries, std::size_t len) {
    check(raft_memory_storage_append(handle(), entries, len));
  }
  /// Stores term, vote and commit index.
  void set_hard_state(const raft_hard_state &state) {
    check(raft_memory_storage_set_hard_state(handle(), &state));
  }
  /// Stores the membership that a change has led to.
  void set_conf_state(const raft_conf_state &state) {
    check(raft_memory_storage_set_conf_state(handle(), &state));
  }
  /// Stores a snapshot from elsewhere, which replaces the log.
  void apply_snapshot(const raft_snapshot &snapshot) {
    check(raft_memory_storage_apply_snapshot(handle(), &snapshot));
  }

  /// Makes a snapshot of the state after entry `index`; without `state`, with the membership stored last.
  void create_snapshot(std::uint64_t index, std::string_view data, const raft_conf_state *state = nullptr) {
    check(raft_memory_storage_create_snapshot(handle(), index, state, slice(data)));
  }
  /// The same without copying the data.
  template <typename T>
  void create_snapshot_owned(std::uint64_t index, T data, const raft_conf_state *state = nullptr) {
    detail::Given<T> given(std::move(data));
    const raft_slice bytes = given.bytes();
    check(raft_memory_storage_create_snapshot_owned(handle(), index, state, bytes, given.release,
                                                    given.context()));
  }
  /// Forgets the log up to and including `index`, which the snapshot covers.
  void compact(std::uint64_t index) { check(raft_memory_storage_compact(handle(), index)); }

  /// What it holds.
  raft_memory_storage_info status() const {
    return detail::filled<raft_memory_storage_info>(
        [&](raft_memory_storage_info *out) { return raft_memory_storage_status(handle(), out); });
  }
  /// The membership stored last.
  Members members() const {
    return detail::take(detail::filled<raft_conf_state_buffer *>(
        [&](raft_conf_state_buffer **out) { return raft_memory_storage_conf_state(handle(), out); }));
  }
  /// The latest snapshot.
  Snapshot snapshot() const {
    return Snapshot(detail::filled<raft_snapshot_buffer *>(
        [&](raft_snapshot_buffer **out) { return raft_memory_storage_snapshot(handle(), out); }));
  }

  /// What is underneath.
  raft_memory_storage *handle() const noexcept { return storage_.get(); }

 private:
  detail::Handle<raft_memory_storage, raft_memory_storage_free> storage_;
};

}  // namespace raftcore

#endif  // RAFTCORE_MEMORY_STORAGE_HPP
