// SPDX-License-Identifier: Apache-2.0
#include "resp.h"

#include <gtest/gtest.h>

#include <random>

namespace kvd {
namespace {

using Status = RequestParser::Status;
using Request = std::vector<std::string>;

Request copy(const std::vector<std::string_view> &args) { return {args.begin(), args.end()}; }

struct Outcome {
  std::vector<Request> requests;
  Status last = Status::incomplete;
  std::string error;
};

// What a parser makes of `bytes` that come in pieces which end at the given positions.
Outcome parse_in_pieces(const std::string &bytes, std::vector<size_t> ends,
                        const RequestLimits &limits = {}) {
  Outcome outcome;
  RequestParser parser(limits);
  std::string received;
  size_t taken = 0;
  ends.push_back(bytes.size());
  for (const size_t end : ends) {
    // A fresh string each time: what is parsed must not depend on where the bytes are.
    received = std::string(received) + bytes.substr(taken, end - taken);
    taken = end;
    while ((outcome.last = parser.parse(received)) == Status::complete) {
      outcome.requests.push_back(copy(parser.args()));
      received.erase(0, parser.consumed());
    }
    if (outcome.last == Status::error) {
      outcome.error = parser.error();
      break;
    }
  }
  return outcome;
}

Outcome parse(const std::string &bytes, const RequestLimits &limits = {}) {
  return parse_in_pieces(bytes, {}, limits);
}

const std::string mixed =
    "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nv\r\nv2\r\n"
    "PING\r\n"
    "*0\r\n"
    "*1\r\n$0\r\n\r\n"
    "set \"a b\" 'c\\'d' \"\\x41\\n\"\n"
    "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";

const std::vector<Request> mixed_requests = {
    {"SET", "k", "v\r\nv2"}, {"PING"}, {}, {""}, {"set", "a b", "c'd", "A\n"}, {"GET", "k"},
};

TEST(RequestParser, TakesRequestsOneAfterTheOther) {
  const Outcome outcome = parse(mixed);
  EXPECT_EQ(outcome.requests, mixed_requests);
  EXPECT_EQ(outcome.last, Status::incomplete);
}

TEST(RequestParser, DoesNotCareHowBytesAreSplit) {
  for (size_t split = 0; split <= mixed.size(); ++split) {
    EXPECT_EQ(parse_in_pieces(mixed, {split}).requests, mixed_requests) << "split at " << split;
  }
  std::vector<size_t> every_byte;
  for (size_t i = 1; i < mixed.size(); ++i) every_byte.push_back(i);
  EXPECT_EQ(parse_in_pieces(mixed, every_byte).requests, mixed_requests);
}

TEST(RequestParser, SaysHowMuchIsStillToCome) {
  RequestParser parser{RequestLimits()};
  const std::string start = "*2\r\n$4\r\nECHO\r\n$1000\r\n";
  ASSERT_EQ(parser.parse(start), Status::incomplete);
  EXPECT_EQ(parser.bytes_expected(), start.size() + 1002);
}

TEST(RequestParser, NegativeCountIsAnEmptyRequest) {
  EXPECT_EQ(parse("*-1\r\nPING\r\n").requests, (std::vector<Request>{{}, {"PING"}}));
}

TEST(RequestParser, BareNewlinesEndLinesToo) {
  EXPECT_EQ(parse("*1\n$4\nPING\r\n\n").requests, (std::vector<Request>{{"PING"}, {}}));
}

struct Broken {
  const char *bytes;
  const char *error;
};

class RequestParserErrors : public testing::TestWithParam<Broken> {};

TEST_P(RequestParserErrors, AreFoundHoweverBytesAreSplit) {
  const std::string bytes = GetParam().bytes;
  const std::string error = std::string("ERR Protocol error: ") + GetParam().error;
  for (size_t split = 0; split <= bytes.size(); ++split) {
    const Outcome outcome = parse_in_pieces(bytes, {split});
    EXPECT_EQ(outcome.last, Status::error) << bytes << " split at " << split;
    EXPECT_EQ(outcome.error, error);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, RequestParserErrors,
    testing::Values(Broken{"*x\r\n", "invalid multibulk length"},
                    Broken{"*99999999\r\n", "invalid multibulk length"},
                    Broken{"*99999999999999999999\r\n", "invalid multibulk length"},
                    Broken{"*1 \r\n", "invalid multibulk length"},
                    Broken{"*1\r\n:1\r\n", "expected '$', got ':'"},
                    Broken{"*1\r\n$-1\r\n", "invalid bulk length"},
                    Broken{"*1\r\n$\r\n", "invalid bulk length"},
                    Broken{"*1\r\n$99999999999\r\n", "invalid bulk length"},
                    Broken{"*1\r\n$4\r\nPINGxx", "expected CRLF after a bulk string"},
                    Broken{"set \"a\r\n", "unbalanced quotes in request"},
                    Broken{"set \"a\"b\r\n", "unbalanced quotes in request"},
                    Broken{"set 'a\r\n", "unbalanced quotes in request"}));

TEST(RequestParser, LinesWithoutAnEndAreRefused) {
  RequestLimits limits;
  limits.max_inline_bytes = 100;
  EXPECT_EQ(parse(std::string(101, 'a'), limits).last, Status::error);
  EXPECT_EQ(parse(std::string(100, 'a'), limits).last, Status::incomplete);
  EXPECT_EQ(parse("*" + std::string(40, '1')).last, Status::error);
  EXPECT_EQ(parse("*1\r\n$" + std::string(40, '1')).last, Status::error);
}

TEST(RequestParser, LimitsArgumentsBulksAndRequests) {
  RequestLimits limits;
  limits.max_args = 2;
  limits.max_bulk_bytes = 10;
  limits.max_request_bytes = 40;
  EXPECT_EQ(parse("*3\r\n", limits).last, Status::error);
  EXPECT_EQ(parse("*1\r\n$11\r\n", limits).last, Status::error);
  EXPECT_EQ(parse("*2\r\n$10\r\n0123456789\r\n$10\r\n0123456789\r\n", limits).last,
            Status::incomplete);
  limits.max_request_bytes = 30;
  EXPECT_EQ(parse("*2\r\n$10\r\n0123456789\r\n$10\r\n", limits).last, Status::error);
}

TEST(RequestParser, SurvivesGarbage) {
  std::mt19937 random(7);
  const std::string alphabet = "*$\r\n0123456789-\"'\\ abx\xff";
  for (int round = 0; round < 20000; ++round) {
    std::string bytes(random() % 64, ' ');
    for (char &c : bytes) {
      c = round % 2 == 0 ? static_cast<char>(random()) : alphabet[random() % alphabet.size()];
    }
    const size_t split = bytes.empty() ? 0 : random() % bytes.size();
    const Outcome whole = parse(bytes);
    const Outcome pieces = parse_in_pieces(bytes, {split});
    ASSERT_EQ(whole.requests, pieces.requests) << "round " << round;
    ASSERT_EQ(whole.last, pieces.last) << "round " << round;
  }
}

TEST(Replies, AreEncodedAsTheProtocolSays) {
  std::string out;
  append_simple(out, "OK");
  append_error(out, "ERR two\r\nlines");
  append_integer(out, -42);
  append_bulk(out, "a\r\nb");
  append_null(out);
  append_array(out, 2);
  EXPECT_EQ(out, "+OK\r\n-ERR two  lines\r\n:-42\r\n$4\r\na\r\nb\r\n$-1\r\n*2\r\n");
}

}  // namespace
}  // namespace kvd
