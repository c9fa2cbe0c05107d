// SPDX-License-Identifier: Apache-2.0
#include "state_machine.h"

#include <charconv>

#include "log.h"
#include "resp.h"

namespace kvd {
namespace {

// An integer as Redis stores one: no sign '+', no leading zeros, nothing around it.
std::optional<int64_t> parse_integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  const bool negative = text[0] == '-';
  const std::string_view digits = text.substr(negative ? 1 : 0);
  if (digits[0] == '0' && (digits.size() > 1 || negative)) return std::nullopt;
  return value;
}

void apply_set(const WriteCommand &command, KeySpace &keys, std::string &reply) {
  if (command.flags == 0) {
    keys.put(command.key, command.value);
    append_simple(reply, "OK");
    return;
  }
  const auto old = keys.get(command.key);
  const bool refused = ((command.flags & set_if_absent) != 0 && old) ||
                       ((command.flags & set_if_present) != 0 && !old);
  if ((command.flags & set_returns_old) != 0) {
    if (old) {
      append_bulk(reply, *old);
    } else {
      append_null(reply);
    }
  } else if (refused) {
    append_null(reply);
  } else {
    append_simple(reply, "OK");
  }
  if (!refused) keys.put(command.key, command.value);
}

void apply_del(const WriteCommand &command, KeySpace &keys, std::string &reply) {
  int64_t removed = 0;
  for (const std::string_view key : command.list) {
    if (!keys.contains(key)) continue;
    keys.erase(key);
    ++removed;
  }
  append_integer(reply, removed);
}

void apply_mset(const WriteCommand &command, KeySpace &keys, std::string &reply) {
  for (size_t i = 0; i + 1 < command.list.size(); i += 2) {
    keys.put(command.list[i], command.list[i + 1]);
  }
  append_simple(reply, "OK");
}

void apply_incr(const WriteCommand &command, KeySpace &keys, std::string &reply) {
  const auto old = keys.get(command.key);
  const auto value = old ? parse_integer(*old) : std::optional<int64_t>(0);
  if (!value) {
    append_error(reply, "ERR value is not an integer or out of range");
    return;
  }
  int64_t sum = 0;
  if (__builtin_add_overflow(*value, command.amount, &sum)) {
    append_error(reply, "ERR increment or decrement would overflow");
    return;
  }
  keys.put(command.key, std::to_string(sum));
  append_integer(reply, sum);
}

void apply_append(const WriteCommand &command, KeySpace &keys, std::string &reply) {
  std::string value(keys.get(command.key).value_or(""));
  if (value.size() + command.value.size() > command.max_value_bytes) {
    append_error(reply, "ERR string exceeds maximum allowed size (max-value-bytes)");
    return;
  }
  value.append(command.value);
  append_integer(reply, static_cast<int64_t>(value.size()));
  keys.put(command.key, value);
}

}  // namespace

void apply_write(const WriteCommand &command, SlotRange slots, KeySpace &keys, std::string &reply) {
  switch (command.op) {
    case WriteOp::set: return apply_set(command, keys, reply);
    case WriteOp::del: return apply_del(command, keys, reply);
    case WriteOp::mset: return apply_mset(command, keys, reply);
    case WriteOp::incr: return apply_incr(command, keys, reply);
    case WriteOp::append: return apply_append(command, keys, reply);
    case WriteOp::flush: keys.clear(slots); return append_simple(reply, "OK");
  }
}

bool apply_entry(std::string_view entry, SlotRange slots, KeySpace &keys, const OnReply &on_reply) {
  WriteReader reader(entry);
  WriteCommand command;
  std::string reply;
  for (size_t position = 0;; ++position) {
    switch (reader.next(command)) {
      case WriteReader::Next::command: break;
      case WriteReader::Next::end: return true;
      case WriteReader::Next::malformed: return false;
      case WriteReader::Next::unknown_version:
        fatal(
            "a committed entry has format version %d, which this program does not know: a newer "
            "version wrote it",
            entry[0]);
    }
    reply.clear();
    apply_write(command, slots, keys, reply);
    on_reply(position, reply);
  }
}

}  // namespace kvd
