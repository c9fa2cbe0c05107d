// SPDX-License-Identifier: Apache-2.0
#ifndef RAFTCORE_ENCODING_HPP
#define RAFTCORE_ENCODING_HPP

#include <cstdint>
#include <string>
#include <string_view>

#include "owned.hpp"

namespace raftcore {

/// The form of an entry to store, the same as inside messages.
inline std::string encode(const raft_entry &entry) {
  return detail::sized([&](std::uint8_t *to, std::size_t room, std::size_t *needed) {
    return raft_entry_encode(&entry, to, room, needed);
  });
}

/// Reads what encode() wrote. The payload is borrowed from `encoded`.
inline raft_entry decode_entry(std::string_view encoded) {
  return detail::filled<raft_entry>(
      [&](raft_entry *out) { return raft_entry_decode(slice(encoded), out); });
}

/// How many of the first entries fit `max_bytes` of encoded size; at least one if there is one.
inline std::size_t fitting(Span<raft_entry> entries, std::uint64_t max_bytes) noexcept {
  return raft_entries_fitting(entries.data(), entries.size(), max_bytes);
}

/// The form of a snapshot to store, data included.
inline std::string encode(const raft_snapshot &snapshot) {
  return detail::sized([&](std::uint8_t *to, std::size_t room, std::size_t *needed) {
    return raft_snapshot_encode(&snapshot, to, room, needed);
  });
}

/// A snapshot that the library owns, decoded or shared with a Ready; view() shows it.
class Snapshot : public Owned<raft_snapshot_buffer, raft_snapshot,
                                      raft_snapshot_buffer_view, raft_snapshot_buffer_free> {
 public:
  using Owned::Owned;

  /// Reads what encode() wrote.
  static Snapshot decode(std::string_view encoded) {
    return Snapshot(detail::filled<raft_snapshot_buffer *>(
        [&](raft_snapshot_buffer **out) { return raft_snapshot_decode(slice(encoded), out); }));
  }

  /// A further owner of the same data.
  static Snapshot share(const raft_snapshot_buffer *other) {
    return Snapshot(detail::filled<raft_snapshot_buffer *>(
        [&](raft_snapshot_buffer **out) { return raft_snapshot_buffer_share(other, out); }));
  }
};

/// A message as it crosses the wire. For tests and tools: nodes encode what they say.
inline std::string encode(const raft_message_fields &fields) {
  return detail::sized([&](std::uint8_t *to, std::size_t room, std::size_t *needed) {
    return raft_message_encode(&fields, to, room, needed);
  });
}

/// A decoded message; view() shows it.
class Message : public Owned<raft_message_buffer, raft_message_fields,
                                     raft_message_buffer_view, raft_message_buffer_free> {
 public:
  using Owned::Owned;

  /// Reads what a peer sent.
  static Message decode(std::string_view encoded) {
    return Message(detail::filled<raft_message_buffer *>(
        [&](raft_message_buffer **out) { return raft_message_decode(slice(encoded), out); }));
  }
};

/// What a message is, without decoding all of it.
inline raft_message_info inspect(std::string_view message,
                                 std::int32_t dialect = RAFT_DIALECT_ETCD) {
  return detail::filled<raft_message_info>([&](raft_message_info *out) {
    return raft_message_inspect(slice(message), dialect, out);
  });
}

}  // namespace raftcore

#endif  // RAFTCORE_ENCODING_HPP
