// SPDX-License-Identifier: Apache-2.0
#include "resp.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace kvd {
namespace {

constexpr size_t max_number_line = 32;  // "*" or "$", a number, "\r"

// A number that is the whole of `text`.
std::optional<int64_t> parse_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\0' || c == '\v' || c == '\f'; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The character that a backslash escape in double quotes stands for; `at` is on the character after
// the backslash and moves to the last one of the escape.
char unescape(std::string_view text, size_t &at) {
  if (text[at] == 'x' && at + 2 < text.size() && hex_digit(text[at + 1]) >= 0 &&
      hex_digit(text[at + 2]) >= 0) {
    at += 2;
    return static_cast<char>(hex_digit(text[at - 1]) * 16 + hex_digit(text[at]));
  }
  switch (text[at]) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return text[at];
  }
}

// Appends the quoted word that starts at text[at], which is its opening quote, and moves `at`
// behind the closing quote. False if the quotes are not balanced, or something follows without a
// space.
bool append_quoted(std::string_view text, size_t &at, std::string &out) {
  const char quote = text[at];
  for (++at; at < text.size(); ++at) {
    const char c = text[at];
    if (c == quote) {
      ++at;
      return at == text.size() || is_space(text[at]);
    }
    if (c == '\\' && at + 1 < text.size() && (quote == '"' || text[at + 1] == '\'')) {
      ++at;
      out.push_back(quote == '"' ? unescape(text, at) : '\'');
    } else {
      out.push_back(c);
    }
  }
  return false;
}

}  // namespace

void RequestParser::start() {
  finished_ = false;
  args_.clear();
  ranges_.clear();
  position_ = 0;
  scanned_ = 0;
  bytes_expected_ = 1;
  args_left_ = -1;
  bulk_size_ = -1;
}

RequestParser::Status RequestParser::parse(std::string_view received) {
  if (finished_) start();
  if (received.empty()) return Status::incomplete;
  const Status status = received[0] == '*' ? parse_multibulk(received) : parse_inline(received);
  if (status != Status::incomplete) finished_ = true;
  return status;
}

RequestParser::Status RequestParser::fail(std::string_view reason) {
  error_.assign("ERR Protocol error: ").append(reason);
  return Status::error;
}

std::optional<std::string_view> RequestParser::line(std::string_view received) {
  if (scanned_ < position_) scanned_ = position_;
  const void *found = std::memchr(received.data() + scanned_, '\n', received.size() - scanned_);
  if (found == nullptr) {
    scanned_ = received.size();
    bytes_expected_ = received.size() + 1;
    return std::nullopt;
  }
  const auto end = static_cast<size_t>(static_cast<const char *>(found) - received.data());
  std::string_view text = received.substr(position_, end - position_);
  if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
  position_ = end + 1;
  return text;
}

RequestParser::Status RequestParser::parse_multibulk(std::string_view received) {
  if (args_left_ < 0) {
    const auto text = line(received);
    if (!text) {
      return received.size() > max_number_line ? fail("too big mbulk count string")
                                               : Status::incomplete;
    }
    const auto count = parse_number(text->substr(1));
    if (!count || *count > static_cast<int64_t>(limits_.max_args)) {
      return fail("invalid multibulk length");
    }
    args_left_ = std::max<int64_t>(*count, 0);
  }
  while (args_left_ > 0) {
    if (bulk_size_ < 0) {
      const size_t line_start = position_;
      if (line_start < received.size() && received[line_start] != '$') {
        return fail(std::string("expected '$', got '") + received[line_start] + "'");
      }
      const auto text = line(received);
      if (!text) {
        return received.size() - line_start > max_number_line ? fail("too big bulk count string")
                                                              : Status::incomplete;
      }
      const auto size = parse_number(text->substr(1));
      if (!size || *size < 0 || static_cast<uint64_t>(*size) > limits_.max_bulk_bytes) {
        return fail("invalid bulk length");
      }
      bulk_size_ = *size;
    }
    const auto size = static_cast<size_t>(bulk_size_);
    if (position_ + size > limits_.max_request_bytes) return fail("request too big");
    bytes_expected_ = position_ + size + 2;
    if (received.size() < bytes_expected_) return Status::incomplete;
    if (received[position_ + size] != '\r' || received[position_ + size + 1] != '\n') {
      return fail("expected CRLF after a bulk string");
    }
    ranges_.push_back({position_, size});
    position_ = bytes_expected_;
    bulk_size_ = -1;
    --args_left_;
  }
  for (const Range &range : ranges_) args_.push_back(received.substr(range.offset, range.size));
  return Status::complete;
}

RequestParser::Status RequestParser::parse_inline(std::string_view received) {
  const auto text = line(received);
  if ((text ? text->size() : received.size()) > limits_.max_inline_bytes) {
    return fail("too big inline request");
  }
  if (!text) return Status::incomplete;
  if (!split_inline(*text)) return fail("unbalanced quotes in request");
  return Status::complete;
}

// Words separated by spaces; a word in quotes may contain spaces and, in double quotes, escapes.
bool RequestParser::split_inline(std::string_view text) {
  inline_text_.clear();
  size_t at = 0;
  while (true) {
    while (at < text.size() && is_space(text[at])) ++at;
    if (at == text.size()) break;
    const size_t start = inline_text_.size();
    while (at < text.size() && !is_space(text[at])) {
      if (text[at] == '"' || text[at] == '\'') {
        if (!append_quoted(text, at, inline_text_)) return false;
      } else {
        inline_text_.push_back(text[at++]);
      }
    }
    ranges_.push_back({start, inline_text_.size() - start});
  }
  for (const Range &range : ranges_) {
    args_.push_back(std::string_view(inline_text_).substr(range.offset, range.size));
  }
  return true;
}

void append_simple(std::string &out, std::string_view text) {
  out.push_back('+');
  out.append(text).append("\r\n");
}

void append_error(std::string &out, std::string_view text) {
  out.push_back('-');
  for (const char c : text) out.push_back(c == '\r' || c == '\n' ? ' ' : c);
  out.append("\r\n");
}

namespace {

void append_prefixed(std::string &out, char prefix, int64_t value) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.push_back(prefix);
  out.append(digits.data(), end).append("\r\n");
}

}  // namespace

void append_integer(std::string &out, int64_t value) { append_prefixed(out, ':', value); }

void append_bulk(std::string &out, std::string_view value) {
  append_prefixed(out, '$', static_cast<int64_t>(value.size()));
  out.append(value).append("\r\n");
}

void append_null(std::string &out) { out.append("$-1\r\n"); }

void append_array(std::string &out, size_t size) {
  append_prefixed(out, '*', static_cast<int64_t>(size));
}

}  // namespace kvd
