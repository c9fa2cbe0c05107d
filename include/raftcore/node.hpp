// SPDX-License-Identifier: Apache-2.0
#ifndef RAFTCORE_NODE_HPP
#define RAFTCORE_NODE_HPP

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "host.hpp"
#include "membership.hpp"
#include "observer.hpp"
#include "ready.hpp"
#include "storage.hpp"

namespace raftcore {

/// The defaults for node `id`.
inline raft_config config(std::uint64_t id) {
  raft_config config;
  check(raft_config_init(&config, sizeof config, id));
  return config;
}

/// What a peer needs to know of a node: see raft_config_handshake.
inline std::string handshake(const raft_config &config) {
  std::string bytes(64, '\0');
  std::size_t size = 0;
  check(raft_config_handshake(&config, reinterpret_cast<std::uint8_t *>(&bytes[0]), bytes.size(), &size));
  bytes.resize(size);
  return bytes;
}

/// Throws Error(RAFT_ERR_CONFIG), which names the field, if the peer that sent this handshake() cannot be in
/// one group with a node of this configuration.
inline void check_handshake(const raft_config &config, std::string_view peer) {
  check(raft_config_check_handshake(&config, slice(peer)));
}

/// How a leadership transfer ended.
struct TransferOutcome {
  std::uint64_t to = 0;                     ///< The target.
  std::int32_t result = RAFT_TRANSFER_NONE;  ///< A RAFT_TRANSFER_ constant.
};

/// A node of a Raft group. Any thread may call any method, except that moving and destroying it are
/// for one thread alone. Each method throws Error where its function in raftcore.h answers an error.
class Node {
 public:
  /// A node that reads its log through `storage`, and owns it.
  Node(const raft_config &config, std::unique_ptr<Storage> storage) {
    if (storage == nullptr) throw Error(RAFT_ERR_INVALID_ARGUMENT, "storage is null");
    const raft_storage table = detail::storage_table(storage.release());
    raft_node *node = nullptr;
    check(raft_node_new(&config, &table, &node));  // which releases the storage if it fails
    node_.reset(node);
  }

  /// A node whose log is in memory. Without members it joins a group later.
  static Node in_memory(const raft_config &config, const Members *members = nullptr) {
    raft_node *node = nullptr;
    const raft_conf_state state = members != nullptr ? members->view() : raft_conf_state{};
    check(raft_node_new_in_memory(&config, members != nullptr ? &state : nullptr, &node));
    return Node(node);
  }

  /// Takes over a node that raft_node_new made.
  explicit Node(raft_node *node) noexcept : node_(node) {}

  /// \name Time and messages
  /// @{

  /// Lets a tick of time pass.
  void tick() { check(raft_tick(handle()), handle()); }
  /// Lets several pass, for a host that was late.
  void tick(std::uint32_t count) { check(raft_tick_n(handle(), count), handle()); }
  /// Takes a message from a peer.
  void step(std::string_view message) { check(raft_step(handle(), slice(message)), handle()); }

  /// The same without copying what `message` holds.
  template <typename T>
  void step_owned(T message) {
    detail::Given<T> given(std::move(message));
    const raft_slice bytes = given.bytes();
    check(raft_step_owned(handle(), bytes, given.release, given.context()), handle());
  }

  /// A snapshot message whose data came another way (raft_config.lend_snapshots).
  template <typename T>
  void step_snapshot(std::string_view message, T data) {
    detail::Given<T> given(std::move(data));
    const raft_slice bytes = given.bytes();
    check(raft_step_snapshot(handle(), slice(message), bytes, given.release, given.context()),
          handle());
  }

  /// All messages are handed over; the answer is what step() would have thrown for each.
  std::vector<raft_status> step_batch(Span<raft_slice> messages) {
    std::vector<raft_status> statuses(messages.size(), RAFT_OK);
    const raft_status status =
        raft_step_batch(handle(), messages.data(), messages.size(), statuses.data());
    bool reported = status == RAFT_OK;
    for (const raft_status each : statuses) reported = reported || each == status;
    if (!reported) check(status, handle());
    return statuses;
  }

  /// @}
  /// \name Proposals
  /// @{

  /// Proposes a copy of `data`. The answer is its place in the log, {0, 0} if it was forwarded.
  raft_entry_id propose(std::string_view data) {
    return filled<raft_entry_id>(
        [&](raft_entry_id *out) { return raft_propose(handle(), slice(data), out); });
  }

  /// Proposes `data` (with data() and size() in bytes) without copying what it holds.
  template <typename T>
  raft_entry_id propose_owned(T data) {
    detail::Given<T> given(std::move(data));
    const raft_slice bytes = given.bytes();
    return filled<raft_entry_id>([&](raft_entry_id *out) {
      return raft_propose_owned(handle(), bytes, given.release, given.context(), out);
    });
  }

  /// Proposes copies of several entries: all or none. The answer is the place of the first.
  raft_entry_id propose_batch(Span<raft_slice> data) {
    return filled<raft_entry_id>([&](raft_entry_id *out) {
      return raft_propose_batch(handle(), data.data(), data.size(), out);
    });
  }

  /// The same without copying what the containers of bytes hold.
  template <typename T>
  raft_entry_id propose_batch_owned(std::vector<T> data) {
    static_assert(sizeof(*std::declval<T &>().data()) == 1, "containers of bytes");
    auto owner = std::make_unique<std::vector<T>>(std::move(data));
    std::vector<raft_slice> bytes;
    bytes.reserve(owner->size());
    for (const T &each : *owner) bytes.push_back(raft_slice_of(each.data(), each.size()));
    const auto release = [](void *context) noexcept { delete static_cast<std::vector<T> *>(context); };
    return filled<raft_entry_id>([&](raft_entry_id *out) {
      return raft_propose_batch_owned(handle(), bytes.data(), bytes.size(), release, owner.release(),
                                      out);
    });
  }

  /// Proposes an entry of a RAFT_ENTRY_ kind with a payload that the host has encoded itself.
  raft_entry_id propose_entry(std::int32_t kind, std::string_view data) {
    return filled<raft_entry_id>([&](raft_entry_id *out) {
      return raft_propose_entry(handle(), kind, slice(data), out);
    });
  }

  /// @}
  /// \name Membership
  /// @{

  /// Proposes a change in the encoding of the first version.
  raft_entry_id propose_conf_change_v1(const raft_conf_change_op &op,
                                       std::string_view context = {}) {
    return filled<raft_entry_id>([&](raft_entry_id *out) {
      return raft_propose_conf_change_v1(handle(), &op, slice(context), out);
    });
  }

  /// The same with the host's own number for the change, which travels in the entry.
  raft_entry_id propose_conf_change_v1(std::uint64_t id, const raft_conf_change_op &op,
                                       std::string_view context = {}) {
    return filled<raft_entry_id>([&](raft_entry_id *out) {
      return raft_propose_conf_change_v1_with_id(handle(), id, &op, slice(context), out);
    });
  }

  /// Proposes a change; without `ops`, to leave a joint configuration.
  raft_entry_id propose_conf_change(const std::vector<raft_conf_change_op> &ops,
                                    std::int32_t transition = RAFT_TRANSITION_AUTO,
                                    std::string_view context = {}) {
    return filled<raft_entry_id>([&](raft_entry_id *out) {
      return raft_propose_conf_change(handle(), ops.data(), ops.size(), transition, slice(context),
                                      out);
    });
  }

  /// For hosts that take Ready apart: applies a committed membership change.
  Members apply_conf_change(const raft_entry &entry) {
    return taken([&](raft_conf_state_buffer **out) {
      return raft_apply_conf_change(handle(), &entry, out);
    });
  }

  /// The same, where the host has changed what the entry says; operations on node 0 do nothing.
  Members apply_conf_change_as(const raft_entry &entry, const raft_conf_change &change) {
    return taken([&](raft_conf_state_buffer **out) {
      return raft_apply_conf_change_as(handle(), &entry, &change, out);
    });
  }

  /// The membership in force.
  Members members() const {
    return taken(
        [&](raft_conf_state_buffer **out) { return raft_node_conf_state(handle(), out); });
  }

  /// @}
  /// \name Leadership, reads, reports
  /// @{

  /// Campaigns without waiting for the election timeout.
  void campaign() { check(raft_campaign(handle()), handle()); }
  /// Hands leadership to a voter.
  void transfer_leader(std::uint64_t to) { check(raft_transfer_leader(handle(), to), handle()); }
  /// Makes a follower forget its leader, so that it votes for others at once.
  void forget_leader() { check(raft_forget_leader(handle()), handle()); }
  /// Asks for the index at which a linearizable read may be served; Host::read or
  /// Ready::read_states() has the answer, with the same context. With RAFT_READ_LEASE, tick(count) comes
  /// first if the host was late: RAFT_READ_LEASE in raftcore.h has all conditions.
  void read_index(std::string_view context) {
    check(raft_read_index(handle(), slice(context)), handle());
  }
  /// Reports that a message to a peer could not be delivered.
  void report_unreachable(std::uint64_t id) {
    check(raft_report_unreachable(handle(), id), handle());
  }
  /// Reports how the delivery of a snapshot ended: until then the peer is sent nothing else.
  void report_snapshot(std::uint64_t id, bool delivered) {
    check(raft_report_snapshot(handle(), id, delivered), handle());
  }

  /// @}
  /// \name Work
  /// @{

  /// Whether ready() has work to give.
  bool has_ready() const { return raft_has_ready(handle()); }

  /// The work that has piled up; perhaps none.
  Ready ready() {
    return Ready(handle(), filled<raft_ready_view *>(
                               [&](raft_ready_view **out) { return raft_ready(handle(), out); }));
  }

  /// Hands the work to `work(const Ready &)` and advances if that returns. False if there is none.
  template <typename Work>
  bool process(Work &&work) {
    Ready taken = ready();
    if (!taken) {
      return false;
    }
    std::forward<Work>(work)(static_cast<const Ready &>(taken));
    taken.advance();
    return true;
  }

  /// Lets the library drive one cycle. False if there was nothing to do.
  bool drive(Host &host) {
    detail::Driven driven{host, nullptr};
    const raft_host table = detail::host_table(&driven);
    bool worked = false;
    const raft_status status = raft_drive(handle(), &table, &worked);
    if (status == RAFT_ERR_CALLBACK && driven.thrown != nullptr) {
      std::rethrow_exception(driven.thrown);
    }
    check(status, handle());
    return worked;
  }

  /// Tells a node with raft_config.async_storage_writes what was stored or applied.
  void acknowledge(Span<raft_ack> acks) {
    check(raft_acknowledge(handle(), acks.data(), acks.size()), handle());
  }

  /// For nodes in memory: makes a snapshot of the state after `index`.
  void memory_snapshot(std::uint64_t index, std::string_view data) {
    check(raft_memory_snapshot(handle(), index, slice(data)), handle());
  }
  /// The same without copying what `data` holds.
  template <typename T>
  void memory_snapshot_owned(std::uint64_t index, T data) {
    detail::Given<T> given(std::move(data));
    const raft_slice bytes = given.bytes();
    check(raft_memory_snapshot_owned(handle(), index, bytes, given.release, given.context()),
          handle());
  }
  /// For nodes in memory: forgets the log up to `index`.
  void memory_compact(std::uint64_t index) {
    check(raft_memory_compact(handle(), index), handle());
  }

  /// @}
  /// \name What it knows
  /// @{

  /// Its id; 0 if it cannot be told.
  std::uint64_t id() const { return raft_node_id(handle()); }

  /// What it was made with.
  raft_config configuration() const {
    return filled<raft_config>([&](raft_config *out) { return raft_node_config(handle(), out); });
  }

  /// Term, vote and commit index; perhaps not stored yet.
  raft_hard_state hard_state() const {
    return filled<raft_hard_state>(
        [&](raft_hard_state *out) { return raft_node_hard_state(handle(), out); });
  }

  /// Leader and role.
  raft_soft_state soft_state() const {
    return filled<raft_soft_state>(
        [&](raft_soft_state *out) { return raft_node_soft_state(handle(), out); });
  }

  /// The storage's last failure that made no call fail, once; RAFT_OK if there was none.
  raft_status take_storage_error() {
    return filled<raft_status>(
        [&](raft_status *out) { return raft_node_take_storage_error(handle(), out); });
  }

  /// How the last leadership transfer that this node began ended, once; RAFT_TRANSFER_NONE if there is
  /// nothing to report.
  TransferOutcome take_transfer_outcome() {
    TransferOutcome outcome{};
    check(raft_node_take_transfer_outcome(handle(), &outcome.to, &outcome.result), handle());
    return outcome;
  }

  /// Whom to tell what the node says and does; null for nobody.
  void set_observer(std::unique_ptr<Observer> observer, std::int32_t log_level = RAFT_LOG_INFO) {
    if (observer == nullptr) {
      check(raft_node_set_observer(handle(), nullptr), handle());
      return;
    }
    const bool traces = observer->traces();
    const raft_observer table = detail::observer_table(observer.release(), traces, log_level);
    check(raft_node_set_observer(handle(), &table), handle());
  }

  /// Its state, for people and for metrics.
  raft_node_status_info status() const {
    return filled<raft_node_status_info>(
        [&](raft_node_status_info *out) { return raft_node_status(handle(), out); });
  }

  /// The same without a look into the storage: its first_index is 0.
  raft_node_status_info basic_status() const {
    return filled<raft_node_status_info>(
        [&](raft_node_status_info *out) { return raft_node_basic_status(handle(), out); });
  }

  /// Throws if something does not hold that must hold within every node: a defect of the library.
  void check_invariants() const { check(raft_node_check_invariants(handle()), handle()); }

  /// The state and all progress as JSON.
  std::string status_json() const {
    std::string text(1024, '\0');
    std::size_t needed = 0;
    raft_status status = raft_node_status_json(handle(), text.data(), text.size(), &needed);
    while (status == RAFT_ERR_TOO_LARGE) {
      text.resize(needed);
      status = raft_node_status_json(handle(), text.data(), text.size(), &needed);
    }
    check(status, handle());
    text.resize(needed - 1);
    return text;
  }

  /// What a leader knows of its members; empty on other nodes.
  std::vector<raft_progress> progress() const {
    std::vector<raft_progress> members;
    std::size_t len = 0;
    raft_status status = RAFT_OK;
    do {
      members.resize(len);
      status = raft_node_progress(handle(), members.data(), members.size(), &len);
    } while (status == RAFT_ERR_TOO_LARGE);
    check(status, handle());
    members.resize(len);
    return members;
  }

  /// @}

  /// What is underneath.
  raft_node *handle() const noexcept { return node_.get(); }

 private:
  // What a call on this node fills in.
  template <typename T, typename Fill>
  T filled(Fill &&fill) const {
    return detail::filled<T>(std::forward<Fill>(fill), handle());
  }
  template <typename Fill>
  Members taken(Fill &&fill) const {
    return detail::take(filled<raft_conf_state_buffer *>(std::forward<Fill>(fill)));
  }

  detail::Handle<raft_node, raft_node_free> node_;
};

}  // namespace raftcore

#endif  // RAFTCORE_NODE_HPP
