// SPDX-License-Identifier: Apache-2.0
//
// raftcore.hpp - raftcore.h for C++17: owners, views, exceptions, and nothing else.
//
// Errors are thrown as raftcore::Error. Views (Span, std::string_view) never copy; they live as long
// as what raftcore.h says of the struct behind them. Every class is a thin skin: handle() gives what
// is underneath, and both interfaces may be mixed.
#ifndef RAFTCORE_HPP
#define RAFTCORE_HPP

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "raftcore.h"

namespace raftcore {

// ---- Errors --------------------------------------------------------------------------------------

// A status that is not RAFT_OK. what() is its detail.
class Error : public std::runtime_error {
 public:
  explicit Error(raft_status status) : Error(status, raft_status_message(status)) {}
  Error(raft_status status, const std::string &detail)
      : std::runtime_error(detail), status_(status) {}

  raft_status status() const noexcept { return status_; }

 private:
  raft_status status_;
};

// Detail of the last error on a node; of this thread's last error without a node if it is null.
inline std::string last_error(raft_node *node) {
  std::size_t needed = 0;
  if (raft_node_last_error(node, nullptr, 0, &needed) != RAFT_OK || needed <= 1) {
    return {};
  }
  std::string text(needed, '\0');
  // Another thread's error may have taken its place meanwhile: what does not fit is cut off.
  if (raft_node_last_error(node, text.data(), text.size(), nullptr) != RAFT_OK) {
    return {};
  }
  text.resize(std::char_traits<char>::length(text.c_str()));
  return text;
}

// Throws unless `status` is RAFT_OK.
inline void check(raft_status status, raft_node *node = nullptr) {
  if (status != RAFT_OK) {
    const std::string detail = last_error(node);
    throw detail.empty() ? Error(status) : Error(status, detail);
  }
}

// ---- Views ---------------------------------------------------------------------------------------

// An array that somebody else owns.
template <typename T>
class Span {
 public:
  constexpr Span() noexcept = default;
  constexpr Span(const T *data, std::size_t size) noexcept : data_(data), size_(size) {}
  Span(const std::vector<T> &elements) noexcept : Span(elements.data(), elements.size()) {}

  constexpr const T *data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr const T *begin() const noexcept { return data_; }
  constexpr const T *end() const noexcept { return data_ + size_; }
  constexpr const T &operator[](std::size_t at) const { return data_[at]; }
  constexpr const T &front() const { return data_[0]; }
  constexpr const T &back() const { return data_[size_ - 1]; }

 private:
  const T *data_ = nullptr;
  std::size_t size_ = 0;
};

inline std::string_view view(raft_slice slice) noexcept {
  return {reinterpret_cast<const char *>(slice.data), slice.len};
}

inline raft_slice slice(std::string_view bytes) noexcept {
  return raft_slice_of(bytes.data(), bytes.size());
}

// A membership that owns its arrays.
struct Members {
  std::vector<std::uint64_t> voters;
  std::vector<std::uint64_t> learners;
  std::vector<std::uint64_t> voters_outgoing;
  std::vector<std::uint64_t> learners_next;
  bool auto_leave = false;

  Members() = default;
  explicit Members(std::vector<std::uint64_t> voter_ids) : voters(std::move(voter_ids)) {}
  explicit Members(const raft_conf_state &state)
      : voters(state.voters, state.voters + state.voters_len),
        learners(state.learners, state.learners + state.learners_len),
        voters_outgoing(state.voters_outgoing, state.voters_outgoing + state.voters_outgoing_len),
        learners_next(state.learners_next, state.learners_next + state.learners_next_len),
        auto_leave(state.auto_leave) {}

  // Reads what encode() wrote.
  static Members decode(std::string_view encoded);

  // Throws unless it is a membership that a node accepts.
  void validate() const {
    const raft_conf_state state = view();
    check(raft_conf_state_check(&state));
  }

  // Borrows from this object.
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

// ---- Encodings -----------------------------------------------------------------------------------

namespace detail {

// Bytes of a size that is only known when it is asked for.
template <typename Fill>
std::string sized(Fill &&fill) {
  std::string bytes;
  std::size_t needed = 0;
  raft_status status = fill(nullptr, std::size_t{0}, &needed);
  if (status == RAFT_ERR_TOO_LARGE) {
    bytes.resize(needed);
    status = fill(reinterpret_cast<std::uint8_t *>(&bytes[0]), bytes.size(), &needed);
  }
  check(status);
  return bytes;
}

// What the library owns until the handle goes.
template <typename T, void (*Free)(T *)>
struct Freed {
  void operator()(T *handle) const noexcept { Free(handle); }
};
template <typename T, void (*Free)(T *)>
using Handle = std::unique_ptr<T, Freed<T, Free>>;

// Bytes of any container, given away: the library calls back when it needs them no more.
template <typename T>
struct Given {
  static_assert(sizeof(*std::declval<T &>().data()) == 1, "a container of bytes");
  explicit Given(T &&data) : owner(new T(std::move(data))) {}
  raft_slice bytes() const noexcept { return raft_slice_of(owner->data(), owner->size()); }
  static void release(void *context) { delete static_cast<T *>(context); }
  // To be called as the last argument: from here on the library is the owner.
  void *context() noexcept { return owner.release(); }

  std::unique_ptr<T> owner;
};

}  // namespace detail

inline std::string encode(const raft_entry &entry) {
  return detail::sized([&](std::uint8_t *to, std::size_t room, std::size_t *needed) {
    return raft_entry_encode(&entry, to, room, needed);
  });
}

// Reads what encode() wrote. The payload is borrowed from `encoded`.
inline raft_entry decode_entry(std::string_view encoded) {
  raft_entry entry{};
  check(raft_entry_decode(slice(encoded), &entry));
  return entry;
}

// How many of the first entries fit `max_bytes` of encoded size; at least one if there is one.
inline std::size_t fitting(Span<raft_entry> entries, std::uint64_t max_bytes) noexcept {
  return raft_entries_fitting(entries.data(), entries.size(), max_bytes);
}

inline std::string encode(const raft_conf_state &state) {
  return detail::sized([&](std::uint8_t *to, std::size_t room, std::size_t *needed) {
    return raft_conf_state_encode(&state, to, room, needed);
  });
}

inline std::string encode(const Members &members) { return encode(members.view()); }

inline std::string encode(const raft_snapshot &snapshot) {
  return detail::sized([&](std::uint8_t *to, std::size_t room, std::size_t *needed) {
    return raft_snapshot_encode(&snapshot, to, room, needed);
  });
}

inline std::string encode(const raft_message_fields &fields) {
  return detail::sized([&](std::uint8_t *to, std::size_t room, std::size_t *needed) {
    return raft_message_encode(&fields, to, room, needed);
  });
}

inline std::string encode(const raft_conf_change &change,
                          std::int32_t kind = RAFT_ENTRY_CONF_CHANGE_V2,
                          std::int32_t dialect = RAFT_DIALECT_ETCD) {
  return detail::sized([&](std::uint8_t *to, std::size_t room, std::size_t *needed) {
    return raft_conf_change_encode(&change, kind, dialect, to, room, needed);
  });
}

// What a message is, without decoding all of it.
inline raft_message_info inspect(std::string_view message,
                                 std::int32_t dialect = RAFT_DIALECT_ETCD) {
  raft_message_info info{};
  info.struct_size = sizeof info;
  check(raft_message_inspect(slice(message), dialect, &info));
  return info;
}

// A snapshot that the library owns: decoded, or shared with a Ready.
class Snapshot {
 public:
  // Takes over a handle.
  explicit Snapshot(raft_snapshot_buffer *buffer) noexcept : buffer_(buffer) {}

  // Reads what encode() wrote.
  static Snapshot decode(std::string_view encoded) {
    raft_snapshot_buffer *buffer = nullptr;
    check(raft_snapshot_decode(slice(encoded), &buffer));
    return Snapshot(buffer);
  }

  // A further owner of the same data.
  static Snapshot share(const raft_snapshot_buffer *other) {
    raft_snapshot_buffer *buffer = nullptr;
    check(raft_snapshot_buffer_share(other, &buffer));
    return Snapshot(buffer);
  }

  // Borrows from this object.
  raft_snapshot view() const {
    raft_snapshot snapshot{};
    check(raft_snapshot_buffer_view(buffer_.get(), &snapshot));
    return snapshot;
  }

  const raft_snapshot_buffer *handle() const noexcept { return buffer_.get(); }

 private:
  detail::Handle<raft_snapshot_buffer, raft_snapshot_buffer_free> buffer_;
};

// A decoded message.
class Message {
 public:
  static Message decode(std::string_view encoded) {
    raft_message_buffer *buffer = nullptr;
    check(raft_message_decode(slice(encoded), &buffer));
    return Message(buffer);
  }

  // Borrows from this object.
  raft_message_fields view() const {
    raft_message_fields fields{};
    fields.struct_size = sizeof fields;
    check(raft_message_buffer_view(buffer_.get(), &fields));
    return fields;
  }

 private:
  explicit Message(raft_message_buffer *buffer) noexcept : buffer_(buffer) {}
  detail::Handle<raft_message_buffer, raft_message_buffer_free> buffer_;
};

// A decoded membership change.
class ConfChange {
 public:
  // Of an entry that is not RAFT_ENTRY_NORMAL.
  static ConfChange decode(const raft_entry &entry, std::int32_t dialect = RAFT_DIALECT_ETCD) {
    raft_conf_change_buffer *buffer = nullptr;
    check(raft_conf_change_decode(&entry, dialect, &buffer));
    return ConfChange(buffer);
  }

  // Borrows from this object.
  raft_conf_change view() const {
    raft_conf_change change{};
    change.struct_size = sizeof change;
    check(raft_conf_change_buffer_view(buffer_.get(), &change));
    return change;
  }

 private:
  explicit ConfChange(raft_conf_change_buffer *buffer) noexcept : buffer_(buffer) {}
  detail::Handle<raft_conf_change_buffer, raft_conf_change_buffer_free> buffer_;
};

namespace detail {

inline Members take(raft_conf_state_buffer *buffer) {
  const Handle<raft_conf_state_buffer, raft_conf_state_buffer_free> owner(buffer);
  raft_conf_state state{};
  check(raft_conf_state_buffer_view(buffer, &state));
  return Members(state);
}

}  // namespace detail

inline Members Members::decode(std::string_view encoded) {
  raft_conf_state_buffer *buffer = nullptr;
  check(raft_conf_state_decode(slice(encoded), &buffer));
  return detail::take(buffer);
}

// The defaults for node `id`.
inline raft_config config(std::uint64_t id) {
  raft_config config;
  check(raft_config_init(&config, sizeof config, id));
  return config;
}

// ---- What the host implements ----------------------------------------------------------------------

// Takes the entries that Storage::entries answers.
class EntrySink {
 public:
  explicit EntrySink(raft_entry_sink *sink) noexcept : sink_(sink) {}

  // Copies the entry. False if there is room for no more: stop then.
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

// Takes the membership that Storage::initial_state answers.
class ConfStateSink {
 public:
  explicit ConfStateSink(raft_conf_state_sink *sink) noexcept : sink_(sink) {}

  void set(const raft_conf_state &state) { check(raft_conf_state_sink_set(sink_, &state)); }
  void set_encoded(std::string_view encoded) {
    check(raft_conf_state_sink_set_encoded(sink_, slice(encoded)));
  }

 private:
  raft_conf_state_sink *sink_;
};

// Takes the snapshot that Storage::snapshot answers.
class SnapshotSink {
 public:
  explicit SnapshotSink(raft_snapshot_sink *sink) noexcept : sink_(sink) {}

  void set(const raft_snapshot &snapshot) { check(raft_snapshot_sink_set(sink_, &snapshot)); }

  // The same without copying the data, of which snapshot.data says nothing.
  template <typename T>
  void set_owned(raft_snapshot snapshot, T data) {
    detail::Given<T> given(std::move(data));
    snapshot.data = given.bytes();
    check(raft_snapshot_sink_set_owned(sink_, &snapshot, given.release, given.context()));
  }
  void set_encoded(std::string_view encoded) {
    check(raft_snapshot_sink_set_encoded(sink_, slice(encoded)));
  }

 private:
  raft_snapshot_sink *sink_;
};

// The host's durable log as the node reads it: raft_storage in raftcore.h has the contract. Throw
// Error(RAFT_ERR_COMPACTED) and so on; any other exception counts as RAFT_ERR_IO.
class Storage {
 public:
  virtual ~Storage() = default;
  virtual void initial_state(raft_hard_state &hard_state, ConfStateSink conf_state) = 0;
  virtual void entries(std::uint64_t low, std::uint64_t high, std::uint64_t max_bytes,
                       EntrySink out) = 0;
  virtual std::uint64_t term(std::uint64_t index) = 0;
  virtual std::uint64_t first_index() = 0;
  virtual std::uint64_t last_index() = 0;
  virtual void snapshot(SnapshotSink out) = 0;
};

// What is done for a node that Node::drive drives: raft_host in raftcore.h has the contract. An
// exception ends the drive and comes out of it; the next drive takes up where it was thrown.
class Host {
 public:
  virtual ~Host() = default;
  virtual void persist(const raft_persist &what) = 0;
  virtual void send(Span<raft_message> messages) = 0;
  virtual void apply(Span<raft_entry> entries) = 0;
  virtual void apply_snapshot(const raft_snapshot &) {}
  virtual void apply_conf_change(const raft_entry &, const raft_conf_state &,
                                 std::string_view /* encoded */) {}
  virtual void read(Span<raft_read_state>) {}
  virtual void state_changed(const raft_soft_state &, std::uint64_t /* term */) {}
  // Needed with raft_config.lend_snapshots only.
  virtual void send_snapshot(const raft_snapshot_message &) { throw Error(RAFT_ERR_IO); }
};

// A Storage with all that check_storage() needs to try it: raft_checked_storage in raftcore.h.
class CheckedStorage : public Storage {
 public:
  virtual void reset() = 0;
  virtual void persist(const raft_persist &what) = 0;
  virtual void compact(std::uint64_t index) = 0;
  // `how` is RAFT_REOPEN_CLOSED or RAFT_REOPEN_CRASHED. False: there is no such way.
  virtual bool reopen(std::int32_t /* how */) { return false; }
  // False: there is no such way.
  virtual bool set_failing(bool) { return false; }
};

// What check_storage() found of one rule.
struct Finding {
  std::string rule;
  std::string demand;
  std::int32_t outcome = RAFT_RULE_KEPT;
  std::string expected;
  std::string got;
};

// Tries a storage against the contract of raft_storage; what it holds is lost. One finding a rule,
// the basic ones first.
std::vector<Finding> check_storage(CheckedStorage &storage);

// Gets what a node says and does: raft_observer in raftcore.h. Exceptions are swallowed.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void log(std::int32_t /* level */, std::string_view) {}
  // Called only if traces() says so.
  virtual void trace(std::string_view /* json */) {}
  virtual bool traces() const { return false; }
};

// ---- Nodes -----------------------------------------------------------------------------------------

// Work of a node: raft_ready_view in raftcore.h. If it is destroyed without advance(), the work is
// handed out again by the next Node::ready().
class Ready {
 public:
  Ready() noexcept = default;
  Ready(raft_node *node, raft_ready_view *view) noexcept : node_(node), view_(view) {}

  // Whether there is work.
  explicit operator bool() const noexcept { return view_ != nullptr; }

  bool must_sync() const { return view_->must_sync; }
  const raft_soft_state *soft_state() const {
    return view_->has_soft_state ? &view_->soft_state : nullptr;
  }
  const raft_hard_state *hard_state() const {
    return view_->has_hard_state ? &view_->hard_state : nullptr;
  }
  const raft_snapshot *snapshot() const { return view_->snapshot; }
  std::string_view snapshot_encoded() const { return view(view_->snapshot_encoded); }
  Span<raft_entry> entries() const { return {view_->entries, view_->entries_len}; }
  Span<raft_entry> committed_entries() const {
    return {view_->committed_entries, view_->committed_entries_len};
  }
  Span<raft_message> messages() const { return {view_->messages, view_->messages_len}; }
  Span<raft_read_state> read_states() const {
    return {view_->read_states, view_->read_states_len};
  }

  // The snapshot as the library has it, for hosts that need it longer; null if there is none.
  const raft_snapshot_buffer *snapshot_buffer() const { return view_->snapshot_buffer; }
  // With raft_config.lend_snapshots.
  Span<raft_snapshot_message> snapshot_messages() const {
    return {view_->snapshot_messages, view_->snapshot_messages_len};
  }

  // With raft_config.async_storage_writes, where a Ready is not advanced: what to give to
  // Node::acknowledge() once it is stored, and once it is applied.
  Span<raft_ack> storage_acks() const { return {view_->storage_acks, view_->storage_acks_len}; }
  Span<raft_ack> apply_acks() const {
    return {view_->apply_ack, view_->apply_ack != nullptr ? std::size_t{1} : std::size_t{0}};
  }

  // Tells the node that the work is done. There is none afterwards.
  void advance() {
    const raft_status status = raft_advance(node_, view_.get());
    if (status == RAFT_OK || status == RAFT_ERR_STORAGE) {
      static_cast<void>(view_.release());  // the library has freed it
    }
    check(status, node_);
  }

  const raft_ready_view *handle() const noexcept { return view_.get(); }

 private:
  struct Free {
    void operator()(raft_ready_view *view) const noexcept { raft_ready_free(view); }
  };
  raft_node *node_ = nullptr;
  std::unique_ptr<raft_ready_view, Free> view_;
};

// A node of a Raft group. Any thread may call any method, except that moving and destroying it are
// for one thread alone.
class Node {
 public:
  // A node that reads its log through `storage`, and owns it.
  Node(const raft_config &config, std::unique_ptr<Storage> storage);

  // A node whose log is in memory. Without members it joins a group later.
  static Node in_memory(const raft_config &config, const Members *members = nullptr) {
    raft_node *node = nullptr;
    const raft_conf_state state = members != nullptr ? members->view() : raft_conf_state{};
    check(raft_node_new_in_memory(&config, members != nullptr ? &state : nullptr, &node));
    return Node(node);
  }

  // Takes over a node that raft_node_new made.
  explicit Node(raft_node *node) noexcept : node_(node) {}

  void tick() { check(raft_tick(handle()), handle()); }
  void tick(std::uint32_t count) { check(raft_tick_n(handle(), count), handle()); }
  void step(std::string_view message) { check(raft_step(handle(), slice(message)), handle()); }

  // The same without copying what `message` holds.
  template <typename T>
  void step_owned(T message) {
    detail::Given<T> given(std::move(message));
    const raft_slice bytes = given.bytes();
    check(raft_step_owned(handle(), bytes, given.release, given.context()), handle());
  }

  // A snapshot message whose data came another way (raft_config.lend_snapshots).
  template <typename T>
  void step_snapshot(std::string_view message, T data) {
    detail::Given<T> given(std::move(data));
    const raft_slice bytes = given.bytes();
    check(raft_step_snapshot(handle(), slice(message), bytes, given.release, given.context()),
          handle());
  }

  // All messages are handed over; the answer is what step() would have thrown for each.
  std::vector<raft_status> step_batch(Span<raft_slice> messages) {
    std::vector<raft_status> statuses(messages.size(), RAFT_OK);
    const raft_status status =
        raft_step_batch(handle(), messages.data(), messages.size(), statuses.data());
    bool reported = status == RAFT_OK;
    for (const raft_status each : statuses) reported = reported || each == status;
    if (!reported) check(status, handle());
    return statuses;
  }

  // Proposes a copy of `data`. The answer is its place in the log, {0, 0} if it was forwarded.
  raft_entry_id propose(std::string_view data) {
    raft_entry_id placed{};
    check(raft_propose(handle(), slice(data), &placed), handle());
    return placed;
  }

  // Proposes `data` (with data() and size() in bytes) without copying what it holds.
  template <typename T>
  raft_entry_id propose_owned(T data);

  // Proposes copies of several entries: all or none. The answer is the place of the first.
  raft_entry_id propose_batch(Span<raft_slice> data) {
    raft_entry_id placed{};
    check(raft_propose_batch(handle(), data.data(), data.size(), &placed), handle());
    return placed;
  }

  // The same without copying what the containers of bytes hold.
  template <typename T>
  raft_entry_id propose_batch_owned(std::vector<T> data);

  raft_entry_id propose_conf_change_v1(const raft_conf_change_op &op,
                                       std::string_view context = {}) {
    raft_entry_id placed{};
    check(raft_propose_conf_change_v1(handle(), &op, slice(context), &placed), handle());
    return placed;
  }

  raft_entry_id propose_conf_change(const std::vector<raft_conf_change_op> &ops,
                                    std::int32_t transition = RAFT_TRANSITION_AUTO,
                                    std::string_view context = {}) {
    raft_entry_id placed{};
    check(raft_propose_conf_change(handle(), ops.data(), ops.size(), transition, slice(context),
                                   &placed),
          handle());
    return placed;
  }

  // For hosts that take Ready apart: applies a committed membership change.
  Members apply_conf_change(const raft_entry &entry) {
    raft_conf_state_buffer *buffer = nullptr;
    check(raft_apply_conf_change(handle(), &entry, &buffer), handle());
    return detail::take(buffer);
  }

  // The same, where the host has changed what the entry says; operations on node 0 do nothing.
  Members apply_conf_change_as(const raft_entry &entry, const raft_conf_change &change) {
    raft_conf_state_buffer *buffer = nullptr;
    check(raft_apply_conf_change_as(handle(), &entry, &change, &buffer), handle());
    return detail::take(buffer);
  }

  // Tells a node with raft_config.async_storage_writes what was stored or applied.
  void acknowledge(Span<raft_ack> acks) {
    check(raft_acknowledge(handle(), acks.data(), acks.size()), handle());
  }

  // For nodes in memory: makes a snapshot of the state after `index`; forgets the log up to it.
  void memory_snapshot(std::uint64_t index, std::string_view data) {
    check(raft_memory_snapshot(handle(), index, slice(data)), handle());
  }
  template <typename T>
  void memory_snapshot_owned(std::uint64_t index, T data) {
    detail::Given<T> given(std::move(data));
    const raft_slice bytes = given.bytes();
    check(raft_memory_snapshot_owned(handle(), index, bytes, given.release, given.context()),
          handle());
  }
  void memory_compact(std::uint64_t index) {
    check(raft_memory_compact(handle(), index), handle());
  }

  void campaign() { check(raft_campaign(handle()), handle()); }
  void transfer_leader(std::uint64_t to) { check(raft_transfer_leader(handle(), to), handle()); }
  void forget_leader() { check(raft_forget_leader(handle()), handle()); }
  void read_index(std::string_view context) {
    check(raft_read_index(handle(), slice(context)), handle());
  }
  void report_unreachable(std::uint64_t id) {
    check(raft_report_unreachable(handle(), id), handle());
  }
  void report_snapshot(std::uint64_t id, bool delivered) {
    check(raft_report_snapshot(handle(), id, delivered), handle());
  }

  bool has_ready() const { return raft_has_ready(handle()); }

  // The work that has piled up; perhaps none.
  Ready ready() {
    raft_ready_view *view = nullptr;
    check(raft_ready(handle(), &view), handle());
    return Ready(handle(), view);
  }

  // Hands the work to `work(const Ready &)` and advances if that returns. False if there is none.
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

  // Lets the library drive one cycle. False if there was nothing to do.
  bool drive(Host &host);

  std::uint64_t id() const { return raft_node_id(handle()); }

  // What the node was made with.
  raft_config configuration() const {
    raft_config config{};
    config.struct_size = sizeof config;
    check(raft_node_config(handle(), &config), handle());
    return config;
  }

  raft_hard_state hard_state() const {
    raft_hard_state state{};
    check(raft_node_hard_state(handle(), &state), handle());
    return state;
  }

  raft_soft_state soft_state() const {
    raft_soft_state state{};
    check(raft_node_soft_state(handle(), &state), handle());
    return state;
  }

  // The storage's last failure that made no call fail, once; RAFT_OK if there was none.
  raft_status take_storage_error() {
    raft_status error = RAFT_OK;
    check(raft_node_take_storage_error(handle(), &error), handle());
    return error;
  }

  // Whom to tell what the node says and does; null for nobody.
  void set_observer(std::unique_ptr<Observer> observer, std::int32_t log_level = RAFT_LOG_INFO);

  raft_node_status_info status() const {
    raft_node_status_info info{};
    info.struct_size = sizeof info;
    check(raft_node_status(handle(), &info), handle());
    return info;
  }

  // Throws if something does not hold that must hold within every node: a defect of the library.
  void check_invariants() const { check(raft_node_check_invariants(handle()), handle()); }

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

  // What a leader knows of its members; empty on other nodes.
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

  Members members() const {
    raft_conf_state_buffer *buffer = nullptr;
    check(raft_node_conf_state(handle(), &buffer), handle());
    return detail::take(buffer);
  }

  raft_node *handle() const noexcept { return node_.get(); }

 private:
  struct Free {
    void operator()(raft_node *node) const noexcept { raft_node_free(node); }
  };
  std::unique_ptr<raft_node, Free> node_;
};

// ---- Behind the scenes: callbacks ------------------------------------------------------------------

namespace detail {

// Runs a callback's body; exceptions end here, and become a status.
template <typename Body>
raft_status guard(Body &&body) noexcept {
  try {
    std::forward<Body>(body)();
    return RAFT_OK;
  } catch (const Error &error) {
    return error.status() != RAFT_OK ? error.status() : RAFT_ERR_IO;
  } catch (...) {
    return RAFT_ERR_IO;
  }
}

inline Storage &storage(void *context) noexcept { return *static_cast<Storage *>(context); }

// A CheckedStorage is handed over as the Storage that it is, for both tables.
inline CheckedStorage &checked(void *context) noexcept {
  return static_cast<CheckedStorage &>(storage(context));
}

inline raft_storage storage_table(Storage *context) noexcept {
  raft_storage table{};
  table.struct_size = sizeof table;
  table.context = context;
  table.initial_state = [](void *self, raft_hard_state *hard_state, raft_conf_state_sink *out) {
    return guard([&] { storage(self).initial_state(*hard_state, ConfStateSink(out)); });
  };
  table.entries = [](void *self, std::uint64_t low, std::uint64_t high, std::uint64_t max_bytes,
                     raft_entry_sink *out) {
    return guard([&] { storage(self).entries(low, high, max_bytes, EntrySink(out)); });
  };
  table.term = [](void *self, std::uint64_t index, std::uint64_t *term) {
    return guard([&] { *term = storage(self).term(index); });
  };
  table.first_index = [](void *self, std::uint64_t *index) {
    return guard([&] { *index = storage(self).first_index(); });
  };
  table.last_index = [](void *self, std::uint64_t *index) {
    return guard([&] { *index = storage(self).last_index(); });
  };
  table.snapshot = [](void *self, raft_snapshot_sink *out) {
    return guard([&] { storage(self).snapshot(SnapshotSink(out)); });
  };
  table.release = [](void *self) { delete static_cast<Storage *>(self); };
  return table;
}

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

inline raft_host host_table(Driven *context) noexcept {
  raft_host table{};
  table.struct_size = sizeof table;
  table.context = context;
  table.persist = [](void *self, const raft_persist *what) {
    return guard_host(self, [&](Host &host) { host.persist(*what); });
  };
  table.send = [](void *self, const raft_message *messages, std::size_t len) {
    return guard_host(self, [&](Host &host) { host.send({messages, len}); });
  };
  table.apply = [](void *self, const raft_entry *entries, std::size_t len) {
    return guard_host(self, [&](Host &host) { host.apply({entries, len}); });
  };
  table.apply_snapshot = [](void *self, const raft_snapshot *snapshot) {
    return guard_host(self, [&](Host &host) { host.apply_snapshot(*snapshot); });
  };
  table.apply_conf_change = [](void *self, const raft_entry *entry, const raft_conf_state *state,
                               raft_slice encoded) {
    return guard_host(
        self, [&](Host &host) { host.apply_conf_change(*entry, *state, view(encoded)); });
  };
  table.read = [](void *self, const raft_read_state *states, std::size_t len) {
    return guard_host(self, [&](Host &host) { host.read({states, len}); });
  };
  table.state_changed = [](void *self, const raft_soft_state *state, std::uint64_t term) {
    return guard_host(self, [&](Host &host) { host.state_changed(*state, term); });
  };
  table.send_snapshot = [](void *self, const raft_snapshot_message *message) {
    return guard_host(self, [&](Host &host) { host.send_snapshot(*message); });
  };
  return table;
}

}  // namespace detail

inline Node::Node(const raft_config &config, std::unique_ptr<Storage> storage) {
  const raft_storage table = detail::storage_table(storage.release());
  raft_node *node = nullptr;
  check(raft_node_new(&config, &table, &node));  // which releases the storage if it fails
  node_.reset(node);
}

template <typename T>
raft_entry_id Node::propose_owned(T data) {
  detail::Given<T> given(std::move(data));
  const raft_slice bytes = given.bytes();
  raft_entry_id placed{};
  check(raft_propose_owned(handle(), bytes, given.release, given.context(), &placed), handle());
  return placed;
}

template <typename T>
raft_entry_id Node::propose_batch_owned(std::vector<T> data) {
  static_assert(sizeof(*std::declval<T &>().data()) == 1, "containers of bytes");
  auto owner = std::make_unique<std::vector<T>>(std::move(data));
  std::vector<raft_slice> bytes;
  bytes.reserve(owner->size());
  for (const T &each : *owner) bytes.push_back(raft_slice_of(each.data(), each.size()));
  const auto release = [](void *context) { delete static_cast<std::vector<T> *>(context); };
  raft_entry_id placed{};
  check(raft_propose_batch_owned(handle(), bytes.data(), bytes.size(), release, owner.release(),
                                 &placed),
        handle());
  return placed;
}

inline void Node::set_observer(std::unique_ptr<Observer> observer, std::int32_t log_level) {
  if (observer == nullptr) {
    check(raft_node_set_observer(handle(), nullptr), handle());
    return;
  }
  raft_observer table{};
  table.struct_size = sizeof table;
  table.log_level = log_level;
  table.log = [](void *self, std::int32_t level, const char *text, std::size_t len) {
    detail::guard([&] { static_cast<Observer *>(self)->log(level, {text, len}); });
  };
  if (observer->traces()) {
    table.trace = [](void *self, const char *json, std::size_t len) {
      detail::guard([&] { static_cast<Observer *>(self)->trace({json, len}); });
    };
  }
  table.release = [](void *self) { delete static_cast<Observer *>(self); };
  table.context = observer.release();
  check(raft_node_set_observer(handle(), &table), handle());
}

inline std::vector<Finding> check_storage(CheckedStorage &storage) {
  raft_storage reads = detail::storage_table(&storage);
  reads.release = nullptr;
  raft_checked_storage table{};
  table.struct_size = sizeof table;
  table.context = static_cast<Storage *>(&storage);
  table.storage = &reads;
  table.reset = [](void *self) {
    return detail::guard([&] { detail::checked(self).reset(); });
  };
  table.persist = [](void *self, const raft_persist *what) {
    return detail::guard([&] { detail::checked(self).persist(*what); });
  };
  table.compact = [](void *self, std::uint64_t index) {
    return detail::guard([&] { detail::checked(self).compact(index); });
  };
  table.reopen = [](void *self, std::int32_t how) {
    bool offered = true;
    const raft_status status =
        detail::guard([&] { offered = detail::checked(self).reopen(how); });
    return offered ? status : RAFT_ERR_UNAVAILABLE;
  };
  table.set_failing = [](void *self, bool failing) {
    bool offered = true;
    const raft_status status =
        detail::guard([&] { offered = detail::checked(self).set_failing(failing); });
    return offered ? status : RAFT_ERR_UNAVAILABLE;
  };
  std::vector<Finding> findings;
  const auto note = [](void *context, const raft_storage_finding *found) {
    detail::guard([&] {
      static_cast<std::vector<Finding> *>(context)->push_back(
          {found->rule, found->demand, found->outcome, found->expected, found->got});
    });
  };
  const raft_status status = raft_storage_check(&table, note, &findings);
  if (status != RAFT_ERR_STORAGE) check(status);
  return findings;
}

inline bool Node::drive(Host &host) {
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

}  // namespace raftcore

#endif  // RAFTCORE_HPP
