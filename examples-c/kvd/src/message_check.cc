// SPDX-License-Identifier: Apache-2.0
#include "message_check.h"

#include <raftcore.h>

#include <algorithm>
#include <optional>

#include "bytes.h"
#include "snapshot.h"
#include "write_command.h"

namespace kvd {
namespace {

// Protocol Buffers: a field is a tag (its number and its wire type) and a value.
enum WireType : uint64_t { varint_type = 0, fixed64_type = 1, bytes_type = 2, fixed32_type = 5 };

struct Field {
  uint64_t number = 0;
  bool is_bytes = false;
  uint64_t value = 0;      // of a number
  std::string_view bytes;  // of anything with a length
};

// Calls visit(field) for each field, whose answer is why the message is refused. A field that comes
// twice is refused unless it is `repeated`: readers do not agree on which of the two counts.
template <typename Visit>
std::string for_each_field(std::string_view bytes, uint64_t repeated, const Visit &visit) {
  ByteReader reader(bytes);
  uint64_t seen = 0;
  while (!reader.empty()) {
    const auto tag = reader.varint();
    if (!tag) return "it is cut off";
    Field field;
    field.number = *tag >> 3;
    switch (*tag & 7) {
      case varint_type: field.value = reader.varint().value_or(0); break;
      case fixed64_type: reader.take(8); break;
      case fixed32_type: reader.take(4); break;
      case bytes_type:
        field.is_bytes = true;
        field.bytes = reader.string().value_or("");
        break;
      default: return "it has a field of unknown type";
    }
    if (reader.failed()) return "it is cut off";
    if (field.number == 0 || field.number > 63) return "it has an unknown field";
    const uint64_t bit = uint64_t{1} << field.number;
    if ((seen & bit) != 0 && field.number != repeated) return "it has a field twice";
    seen |= bit;
    if (std::string problem = visit(field); !problem.empty()) return problem;
  }
  return "";
}

constexpr uint64_t nothing_repeated = 0;

std::string check_entry(std::string_view bytes) {
  uint64_t kind = RAFT_ENTRY_NORMAL;
  uint64_t term = 0;
  uint64_t index = 0;
  std::string_view data;
  std::string problem = for_each_field(bytes, nothing_repeated, [&](const Field &field) {
    switch (field.number) {
      case 1: kind = field.value; break;
      case 2: term = field.value; break;
      case 3: index = field.value; break;
      case 4: data = field.bytes; break;
    }
    return std::string();
  });
  if (!problem.empty()) return problem;
  if (kind != RAFT_ENTRY_NORMAL) return "an entry changes the membership, which kvd does not";
  if (index > max_index || term > max_index) return "an entry has an absurd place";
  if (!data.empty() && data[0] != write_entry_version) {
    return "an entry has format version " + std::to_string(static_cast<unsigned char>(data[0])) +
           ", which this program does not know";
  }
  return "";
}

std::string check_membership(std::string_view bytes, const MessageRules &rules) {
  std::vector<uint64_t> voters;
  bool others = false;
  std::string problem = for_each_field(bytes, 1, [&](const Field &field) {
    if (field.number == 1 && !field.is_bytes) {
      voters.push_back(field.value);
    } else {
      others = others || field.is_bytes || field.value != 0;
    }
    return std::string();
  });
  if (!problem.empty()) return problem;
  std::sort(voters.begin(), voters.end());
  if (others || voters != *rules.voters) return "a snapshot brings another membership";
  return "";
}

std::string check_metadata(std::string_view bytes, const MessageRules &rules, uint64_t term) {
  std::string_view membership;
  uint64_t index = 0;
  uint64_t index_term = 0;
  std::string problem = for_each_field(bytes, nothing_repeated, [&](const Field &field) {
    switch (field.number) {
      case 1: membership = field.bytes; break;
      case 2: index = field.value; break;
      case 3: index_term = field.value; break;
    }
    return std::string();
  });
  if (!problem.empty()) return problem;
  if (index == 0 || index > max_index || index_term == 0 || index_term > term) {
    return "a snapshot has an absurd place";
  }
  return check_membership(membership, rules);
}

std::string check_snapshot(std::string_view bytes, const MessageRules &rules, uint64_t term) {
  std::string_view data;
  std::string_view metadata;
  std::string problem = for_each_field(bytes, nothing_repeated, [&](const Field &field) {
    if (field.number == 1) data = field.bytes;
    if (field.number == 2) metadata = field.bytes;
    return std::string();
  });
  if (problem.empty()) problem = check_metadata(metadata, rules, term);
  if (problem.empty() && !is_snapshot_of(data, rules.slots)) {
    problem = "a snapshot's data is not that of this version, or of other slots";
  }
  return problem;
}

bool kvd_sends(int32_t type) {
  switch (type) {
    case RAFT_MESSAGE_APPEND:
    case RAFT_MESSAGE_APPEND_REPLY:
    case RAFT_MESSAGE_VOTE:
    case RAFT_MESSAGE_VOTE_REPLY:
    case RAFT_MESSAGE_SNAPSHOT:
    case RAFT_MESSAGE_HEARTBEAT:
    case RAFT_MESSAGE_HEARTBEAT_REPLY:
    case RAFT_MESSAGE_TIMEOUT_NOW:
    case RAFT_MESSAGE_PRE_VOTE:
    case RAFT_MESSAGE_PRE_VOTE_REPLY:
    case RAFT_MESSAGE_READ_INDEX:
    case RAFT_MESSAGE_READ_INDEX_REPLY: return true;
    default: return false;
  }
}

// A follower asks its leader for the index of its reads, which is independent of terms.
bool is_about_reads(const MessageFields &fields) {
  return fields.type == RAFT_MESSAGE_READ_INDEX || fields.type == RAFT_MESSAGE_READ_INDEX_REPLY;
}

std::string check_numbers(const MessageFields &fields, const MessageRules &rules) {
  if (fields.from != rules.from) {
    return "it is from store " + std::to_string(fields.from) + ", on a connection of store " +
           std::to_string(rules.from);
  }
  if (fields.to != rules.to) return "it is for store " + std::to_string(fields.to);
  if (!kvd_sends(fields.type)) return "stores do not send type " + std::to_string(fields.type);
  if (fields.term == 0 && !is_about_reads(fields)) return "it has no term";
  if (fields.term > rules.term && fields.term - rules.term > max_term_lead) {
    return "its term " + std::to_string(fields.term) + " is absurd";
  }
  const uint64_t largest = std::max(
      {fields.log_term, fields.index, fields.commit, fields.reject_hint, fields.commit_term});
  return largest > max_index ? "an index of " + std::to_string(largest) + " is absurd" : "";
}

}  // namespace

std::string check_message(std::string_view message, const MessageRules &rules,
                          MessageFields &fields) {
  fields = {};
  std::string entries_problem;
  std::string_view snapshot;
  size_t entries = 0;
  std::string problem = for_each_field(message, 7, [&](const Field &field) {
    switch (field.number) {
      case 1: fields.type = static_cast<int32_t>(std::min<uint64_t>(field.value, 1000)); break;
      case 2: fields.to = field.value; break;
      case 3: fields.from = field.value; break;
      case 4: fields.term = field.value; break;
      case 5: fields.log_term = field.value; break;
      case 6: fields.index = field.value; break;
      case 7:
        ++entries;
        if (entries_problem.empty()) entries_problem = check_entry(field.bytes);
        break;
      case 8: fields.commit = field.value; break;
      case 9: snapshot = field.bytes; break;
      case 10: fields.reject = field.value != 0; break;
      case 11: fields.reject_hint = field.value; break;
      case 15: fields.commit_term = field.value; break;
    }
    return std::string();
  });
  if (problem.empty()) problem = check_numbers(fields, rules);
  if (!problem.empty()) return problem;
  // There the entry is the read's context.
  if (is_about_reads(fields)) return entries == 1 ? "" : "a read without its context";
  if (!entries_problem.empty()) return entries_problem;
  if (entries > 0 && fields.type != RAFT_MESSAGE_APPEND) return "entries where there are none";
  if (fields.type == RAFT_MESSAGE_SNAPSHOT) return check_snapshot(snapshot, rules, fields.term);
  return "";
}

}  // namespace kvd
