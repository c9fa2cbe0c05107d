// SPDX-License-Identifier: Apache-2.0
// The Redis protocol, version 2 (RESP2): requests in, replies out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvd {

struct RequestLimits {
  size_t max_args = 1024 * 1024;
  size_t max_inline_bytes = 64 * 1024;
  size_t max_bulk_bytes = 512 * 1024 * 1024;
  size_t max_request_bytes = 512 * 1024 * 1024;
};

// Takes requests off the front of a connection's received bytes, as they come in: a request that is
// not complete yet is not parsed again from its start.
class RequestParser {
 public:
  enum class Status { complete, incomplete, error };

  explicit RequestParser(const RequestLimits &limits) : limits_(limits) {}

  // `received` starts at the current request; after `incomplete` it has the same bytes and more
  // behind them (they may have moved). After `complete` the next call is for the next request,
  // which starts `consumed()` bytes on. After `error` the connection is of no use.
  Status parse(std::string_view received);

  // After `complete`: the command and its arguments, empty for an empty request. They point into
  // `received` or into the parser, until the next call.
  const std::vector<std::string_view> &args() const { return args_; }
  size_t consumed() const { return position_; }

  // After `error`: the text of the error reply.
  const std::string &error() const { return error_; }

  // After `incomplete`: how many bytes the request has at least, as far as is known.
  size_t bytes_expected() const { return bytes_expected_; }

 private:
  struct Range {
    size_t offset;
    size_t size;
  };

  void start();
  Status parse_multibulk(std::string_view received);
  Status parse_inline(std::string_view received);
  Status fail(std::string_view reason);
  // The line at position_, without its end; nullopt if it is not complete.
  std::optional<std::string_view> line(std::string_view received);
  bool split_inline(std::string_view text);

  RequestLimits limits_;
  std::vector<std::string_view> args_;
  std::vector<Range> ranges_;
  std::string inline_text_;
  std::string error_;
  size_t position_ = 0;  // everything before is parsed
  size_t scanned_ = 0;   // no line end between position_ and here
  size_t bytes_expected_ = 0;
  int64_t args_left_ = -1;  // of a multi-bulk request; -1 before its first line
  int64_t bulk_size_ = -1;  // of the argument that is coming in; -1 before its first line
  bool finished_ = true;    // the next call starts a request
};

// Replies, appended to a connection's output.
void append_simple(std::string &out, std::string_view text);
// `text` starts with an upper-case word such as ERR. Line ends in it become spaces.
void append_error(std::string &out, std::string_view text);
void append_integer(std::string &out, int64_t value);
void append_bulk(std::string &out, std::string_view value);
void append_null(std::string &out);
void append_array(std::string &out, size_t size);

}  // namespace kvd
