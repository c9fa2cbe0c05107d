// SPDX-License-Identifier: Apache-2.0
#include "key_commands.h"

#include <charconv>
#include <limits>
#include <optional>

#include "read_command.h"
#include "write_command.h"

namespace kvd {
namespace {

const char *const syntax_error = "ERR syntax error";
const char *const not_an_integer = "ERR value is not an integer or out of range";

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string check_value(std::string_view value, const CommandLimits &limits) {
  if (value.size() <= limits.max_value_bytes) return "";
  return "ERR value is longer than " + std::to_string(limits.max_value_bytes) +
         " bytes (max-value-bytes)";
}

bool is_expiry_option(std::string_view word) {
  for (const char *const name : {"ex", "px", "exat", "pxat", "keepttl"}) {
    if (equals_ignoring_case(word, name)) return true;
  }
  return false;
}

}  // namespace

std::string encode_get_command(const Args &args, const CommandLimits &, std::string &out) {
  encode_read_key(out, ReadOp::get, args[1]);
  return "";
}

std::string encode_mget_command(const Args &args, const CommandLimits &, std::string &out) {
  encode_read_keys(out, ReadOp::mget, &args[1], args.size() - 1);
  return "";
}

std::string encode_exists_command(const Args &args, const CommandLimits &, std::string &out) {
  encode_read_keys(out, ReadOp::exists, &args[1], args.size() - 1);
  return "";
}

std::string encode_strlen_command(const Args &args, const CommandLimits &, std::string &out) {
  encode_read_key(out, ReadOp::strlen, args[1]);
  return "";
}

std::string encode_dbsize_command(const Args &, const CommandLimits &, std::string &out) {
  encode_read_dbsize(out);
  return "";
}

std::string encode_keys_command(const Args &args, const CommandLimits &, std::string &out) {
  encode_read_pattern(out, args[1]);
  return "";
}

std::string encode_scan_command(const Args &args, const CommandLimits &, std::string &out) {
  ScanRequest request;
  const auto cursor = parse_number<uint64_t>(args[1]);
  if (!cursor) return "ERR invalid cursor";
  request.cursor = *cursor;
  for (size_t i = 2; i < args.size(); i += 2) {
    if (i + 1 == args.size()) return syntax_error;
    const std::string_view value = args[i + 1];
    if (equals_ignoring_case(args[i], "match")) {
      request.pattern = value;
    } else if (equals_ignoring_case(args[i], "count")) {
      const auto count = parse_number<int64_t>(value);
      if (!count) return not_an_integer;
      if (*count < 1) return syntax_error;
      request.count = static_cast<uint64_t>(*count);
    } else if (equals_ignoring_case(args[i], "type")) {
      request.strings_wanted = equals_ignoring_case(value, "string");
    } else {
      return syntax_error;
    }
  }
  encode_read_scan(out, request);
  return "";
}

std::string encode_set_command(const Args &args, const CommandLimits &limits, std::string &out) {
  uint8_t flags = 0;
  for (size_t i = 3; i < args.size(); ++i) {
    if (equals_ignoring_case(args[i], "nx")) {
      flags |= set_if_absent;
    } else if (equals_ignoring_case(args[i], "xx")) {
      flags |= set_if_present;
    } else if (equals_ignoring_case(args[i], "get")) {
      flags |= set_returns_old;
    } else if (is_expiry_option(args[i])) {
      return "ERR keys do not expire here: EX, PX, EXAT, PXAT and KEEPTTL are not supported";
    } else {
      return syntax_error;
    }
  }
  if ((flags & set_if_absent) != 0 && (flags & set_if_present) != 0) return syntax_error;
  if (std::string error = check_value(args[2], limits); !error.empty()) return error;
  encode_set(out, flags, args[1], args[2]);
  return "";
}

std::string encode_del_command(const Args &args, const CommandLimits &, std::string &out) {
  encode_del(out, &args[1], args.size() - 1);
  return "";
}

std::string encode_mset_command(const Args &args, const CommandLimits &limits, std::string &out) {
  if (args.size() % 2 == 0) return "ERR wrong number of arguments for 'mset' command";
  for (size_t i = 2; i < args.size(); i += 2) {
    if (std::string error = check_value(args[i], limits); !error.empty()) return error;
  }
  encode_mset(out, &args[1], (args.size() - 1) / 2);
  return "";
}

std::string encode_incr_command(const Args &args, const CommandLimits &, std::string &out) {
  encode_incr(out, args[1], 1);
  return "";
}

std::string encode_decr_command(const Args &args, const CommandLimits &, std::string &out) {
  encode_incr(out, args[1], -1);
  return "";
}

std::string encode_incrby_command(const Args &args, const CommandLimits &, std::string &out) {
  const auto amount = parse_number<int64_t>(args[2]);
  if (!amount) return not_an_integer;
  encode_incr(out, args[1], *amount);
  return "";
}

std::string encode_decrby_command(const Args &args, const CommandLimits &, std::string &out) {
  const auto amount = parse_number<int64_t>(args[2]);
  if (!amount) return not_an_integer;
  if (*amount == std::numeric_limits<int64_t>::min()) return "ERR decrement would overflow";
  encode_incr(out, args[1], -*amount);
  return "";
}

std::string encode_append_command(const Args &args, const CommandLimits &limits, std::string &out) {
  if (std::string error = check_value(args[2], limits); !error.empty()) return error;
  encode_append(out, limits.max_value_bytes, args[1], args[2]);
  return "";
}

std::string encode_flush_command(const Args &args, const CommandLimits &, std::string &out) {
  const bool option_known = args.size() == 1 || equals_ignoring_case(args[1], "sync") ||
                            equals_ignoring_case(args[1], "async");
  if (args.size() > 2 || !option_known) return syntax_error;
  encode_flush(out);
  return "";
}

}  // namespace kvd
