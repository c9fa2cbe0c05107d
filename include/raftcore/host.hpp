// SPDX-License-Identifier: Apache-2.0
#ifndef RAFTCORE_HOST_HPP
#define RAFTCORE_HOST_HPP

#include <cstdint>
#include <exception>
#include <string_view>
#include <utility>

#include "detail.hpp"

namespace raftcore {

/// What is done for a node that Node::drive drives: raft_host in raftcore.h has the contract. An
/// exception ends the drive and comes out of it; the next drive takes up where it was thrown.
class Host {
 public:
  virtual ~Host() = default;
  /// Stores entries, hard state and snapshot, in one batch; synced if what.must_sync.
  virtual void persist(const raft_persist &what) = 0;
  /// Sends messages, or lets them be lost.
  virtual void send(Span<raft_message> messages) = 0;
  /// Applies committed entries of kind RAFT_ENTRY_NORMAL.
  virtual void apply(Span<raft_entry> entries) = 0;
  /// Replaces the state machine's state.
  virtual void apply_snapshot(const raft_snapshot &snapshot) { static_cast<void>(snapshot); }
  /// A membership change is in force: store the membership, of which `encoded` is the form to store.
  virtual void apply_conf_change(const raft_entry &entry, const raft_conf_state &members,
                                 std::string_view encoded) {
    static_cast<void>(entry);
    static_cast<void>(members);
    static_cast<void>(encoded);
  }
  /// Reads that may be served.
  virtual void read(Span<raft_read_state> states) { static_cast<void>(states); }
  /// The leader or the node's role has changed.
  virtual void state_changed(const raft_soft_state &state, std::uint64_t term) {
    static_cast<void>(state);
    static_cast<void>(term);
  }
  /// Sends a snapshot whose data is lent. Needed with raft_config.lend_snapshots only.
  virtual void send_snapshot(const raft_snapshot_message &message) {
    static_cast<void>(message);
    throw Error(RAFT_ERR_IO);
  }
};

namespace detail {

// A Host, and the exception that it threw.
struct Driven {
  Host &host;
  std::exception_ptr thrown;
};

template <typename Body>
raft_status guard_host(void *context, Body &&body) noexcept {
  Driven &driven = *static_cast<Driven *>(context);
  try {
    std::forward<Body>(body)(driven.host);
    return RAFT_OK;
  } catch (...) {
    driven.thrown = std::current_exception();
    return RAFT_ERR_IO;
  }
}

// The callbacks of raft_host, by way of a Host.
inline raft_host host_table(Driven *context) noexcept {
  raft_host table{};
  table.struct_size = sizeof table;
  table.context = context;
  table.persist = [](void *self, const raft_persist *what) noexcept {
    return guard_host(self, [&](Host &host) { host.persist(*what); });
  };
  table.send = [](void *self, const raft_message *messages, std::size_t len) noexcept {
    return guard_host(self, [&](Host &host) { host.send({messages, len}); });
  };
  table.apply = [](void *self, const raft_entry *entries, std::size_t len) noexcept {
    return guard_host(self, [&](Host &host) { host.apply({entries, len}); });
  };
  table.apply_snapshot = [](void *self, const raft_snapshot *snapshot) noexcept {
    return guard_host(self, [&](Host &host) { host.apply_snapshot(*snapshot); });
  };
  table.apply_conf_change = [](void *self, const raft_entry *entry, const raft_conf_state *state,
                               raft_slice encoded) noexcept {
    return guard_host(
        self, [&](Host &host) { host.apply_conf_change(*entry, *state, view(encoded)); });
  };
  table.read = [](void *self, const raft_read_state *states, std::size_t len) noexcept {
    return guard_host(self, [&](Host &host) { host.read({states, len}); });
  };
  table.state_changed = [](void *self, const raft_soft_state *state, std::uint64_t term) noexcept {
    return guard_host(self, [&](Host &host) { host.state_changed(*state, term); });
  };
  table.send_snapshot = [](void *self, const raft_snapshot_message *message) noexcept {
    return guard_host(self, [&](Host &host) { host.send_snapshot(*message); });
  };
  return table;
}

}  // namespace detail

}  // namespace raftcore

#endif  // RAFTCORE_HOST_HPP
