// SPDX-License-Identifier: Apache-2.0
#ifndef RAFTCORE_MEMBERSHIP_HPP
#define RAFTCORE_MEMBERSHIP_HPP

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "owned.hpp"

namespace raftcore {

/// A membership that owns its arrays: raft_conf_state in raftcore.h says what they mean.
struct Members {
  std::vector<std::uint64_t> voters;           ///< Voters; while joint, those of the incoming half.
  std::vector<std::uint64_t> learners;         ///< Members that get the log and do not count.
  std::vector<std::uint64_t> voters_outgoing;  ///< Voters of the outgoing half; empty unless joint.
  std::vector<std::uint64_t> learners_next;    ///< Voters that become learners when it is left.
  bool auto_leave = false;                     ///< Whether the leader leaves it by itself.

  Members() = default;
  /// A group of voters.
  explicit Members(std::initializer_list<std::uint64_t> voter_ids) : voters(voter_ids) {}
  /// The same.
  explicit Members(std::vector<std::uint64_t> voter_ids) : voters(std::move(voter_ids)) {}
  /// A copy of a raft_conf_state. (A template, so that a list of ids in braces is never taken for one.)
  template <typename State, typename = std::enable_if_t<std::is_same_v<State, raft_conf_state>>>
  explicit Members(const State &state)
      : voters(state.voters, state.voters + state.voters_len),
        learners(state.learners, state.learners + state.learners_len),
        voters_outgoing(state.voters_outgoing, state.voters_outgoing + state.voters_outgoing_len),
        learners_next(state.learners_next, state.learners_next + state.learners_next_len),
        auto_leave(state.auto_leave) {}

  /// Reads what encode() wrote.
  static Members decode(std::string_view encoded);

  /// Throws unless it is a membership that a node accepts.
  void validate() const {
    const raft_conf_state state = view();
    check(raft_conf_state_check(&state));
  }

  /// Borrows from this object.
  raft_conf_state view() const noexcept {
    raft_conf_state state{};
    state.voters = voters.data();
    state.voters_len = voters.size();
    state.learners = learners.data();
    state.learners_len = learners.size();
    state.voters_outgoing = voters_outgoing.data();
    state.voters_outgoing_len = voters_outgoing.size();
    state.learners_next = learners_next.data();
    state.learners_next_len = learners_next.size();
    state.auto_leave = auto_leave;
    return state;
  }
};

namespace detail {

// Copies what the library hands out, and gives it back.
inline Members take(raft_conf_state_buffer *buffer) {
  const Handle<raft_conf_state_buffer, raft_conf_state_buffer_free> owner(buffer);
  return Members(filled<raft_conf_state>(
      [&](raft_conf_state *out) { return raft_conf_state_buffer_view(buffer, out); }));
}

}  // namespace detail

/// The form of a membership to store, the same as inside snapshots.
inline std::string encode(const raft_conf_state &state) {
  return detail::sized([&](std::uint8_t *to, std::size_t room, std::size_t *needed) {
    return raft_conf_state_encode(&state, to, room, needed);
  });
}

/// The same.
inline std::string encode(const Members &members) { return encode(members.view()); }

inline Members Members::decode(std::string_view encoded) {
  return detail::take(detail::filled<raft_conf_state_buffer *>(
      [&](raft_conf_state_buffer **out) { return raft_conf_state_decode(slice(encoded), out); }));
}

/// The payload of an entry that changes the membership.
inline std::string encode(const raft_conf_change &change,
                          std::int32_t kind = RAFT_ENTRY_CONF_CHANGE_V2,
                          std::int32_t dialect = RAFT_DIALECT_ETCD) {
  return detail::sized([&](std::uint8_t *to, std::size_t room, std::size_t *needed) {
    return raft_conf_change_encode(&change, kind, dialect, to, room, needed);
  });
}

/// A decoded membership change; view() shows it.
class ConfChange : public Owned<raft_conf_change_buffer, raft_conf_change,
                                        raft_conf_change_buffer_view, raft_conf_change_buffer_free> {
 public:
  using Owned::Owned;

  /// Of an entry that is not RAFT_ENTRY_NORMAL.
  static ConfChange decode(const raft_entry &entry, std::int32_t dialect = RAFT_DIALECT_ETCD) {
    return ConfChange(detail::filled<raft_conf_change_buffer *>([&](raft_conf_change_buffer **out) {
      return raft_conf_change_decode(&entry, dialect, out);
    }));
  }
};

}  // namespace raftcore

#endif  // RAFTCORE_MEMBERSHIP_HPP
