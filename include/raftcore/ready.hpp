// SPDX-License-Identifier: Apache-2.0
#ifndef RAFTCORE_READY_HPP
#define RAFTCORE_READY_HPP

#include <string_view>

#include "detail.hpp"

namespace raftcore {

/// Work of a node: raft_ready_view in raftcore.h, which states the order. What the methods give is
/// borrowed from this object; it may outlive the node. If it is destroyed without advance(), the work
/// is handed out again by the next Node::ready().
class Ready {
 public:
  Ready() noexcept = default;
  /// Takes over a view that raft_ready gave; null is no work.
  Ready(raft_node *node, raft_ready_view *view) noexcept : node_(node), view_(view) {}

  /// Whether there is work.
  explicit operator bool() const noexcept { return view_ != nullptr; }

  /// Whether what is stored must be durable before going on.
  bool must_sync() const noexcept { return work().must_sync; }
  /// Leader and role; null if neither has changed.
  const raft_soft_state *soft_state() const noexcept {
    return work().has_soft_state ? &work().soft_state : nullptr;
  }
  /// To be stored; null if it has not changed.
  const raft_hard_state *hard_state() const noexcept {
    return work().has_hard_state ? &work().hard_state : nullptr;
  }
  /// To be installed in log and state machine; null if there is none.
  const raft_snapshot *snapshot() const noexcept { return work().snapshot; }
  /// The same in the form to store.
  std::string_view snapshot_encoded() const noexcept { return view(work().snapshot_encoded); }
  /// To be stored. They replace stored ones at their indexes and after.
  Span<raft_entry> entries() const noexcept { return {work().entries, work().entries_len}; }
  /// To be applied.
  Span<raft_entry> committed_entries() const noexcept {
    return {work().committed_entries, work().committed_entries_len};
  }
  /// To be sent; those that require persistence come last.
  Span<raft_message> messages() const noexcept { return {work().messages, work().messages_len}; }
  /// Reads that may be served.
  Span<raft_read_state> read_states() const noexcept {
    return {work().read_states, work().read_states_len};
  }

  /// The snapshot as the library has it, for hosts that need it longer; null if there is none.
  const raft_snapshot_buffer *snapshot_buffer() const noexcept { return work().snapshot_buffer; }
  /// To be sent, with raft_config.lend_snapshots.
  Span<raft_snapshot_message> snapshot_messages() const noexcept {
    return {work().snapshot_messages, work().snapshot_messages_len};
  }

  /// With raft_config.async_storage_writes, where a Ready is not advanced: what to give to
  /// Node::acknowledge() once it is stored.
  Span<raft_ack> storage_acks() const noexcept {
    return {work().storage_acks, work().storage_acks_len};
  }
  /// The same once the committed entries are applied: one or none.
  Span<raft_ack> apply_acks() const noexcept {
    return {work().apply_ack, work().apply_ack != nullptr ? std::size_t{1} : std::size_t{0}};
  }

  /// Tells the node that the work is done. There is none afterwards.
  void advance() {
    const raft_status status = raft_advance(node_, view_.get());
    if (status == RAFT_OK || status == RAFT_ERR_STORAGE || status == RAFT_ERR_COMMITTED_CONFLICT) {
      static_cast<void>(view_.release());  // the library has freed it
    }
    check(status, node_);
  }

  /// Gives back work that was not begun: the next Node::ready() has it with what has come since. There is
  /// none here afterwards.
  void give_back() {
    check(raft_ready_return(node_, view_.get()), node_);
    static_cast<void>(view_.release());  // the library has freed it
  }

  /// What is underneath; null if there is no work.
  const raft_ready_view *handle() const noexcept { return view_.get(); }

 private:
  const raft_ready_view &work() const noexcept {
    static const raft_ready_view none{};
    return view_ != nullptr ? *view_ : none;
  }

  raft_node *node_ = nullptr;
  detail::Handle<raft_ready_view, raft_ready_free> view_;
};

}  // namespace raftcore

#endif  // RAFTCORE_READY_HPP
