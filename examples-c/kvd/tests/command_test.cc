// SPDX-License-Identifier: Apache-2.0
#include "command.h"

#include <gtest/gtest.h>

#include "write_command.h"

namespace kvd {
namespace {

// The error reply to a command on keys, "" if it is well-formed.
std::string error_of(const std::vector<std::string> &words, const CommandLimits &limits = {}) {
  const Args args(words.begin(), words.end());
  const CommandSpec *spec = find_command(args[0]);
  if (spec == nullptr) return unknown_command_error(args);
  std::string error = check_arguments(*spec, args, limits);
  if (!error.empty() || spec->encode == nullptr) return error;
  std::string out = "before";
  error = spec->encode(args, limits, out);
  EXPECT_EQ(out == "before", !error.empty()) << words[0];
  return error;
}

TEST(Commands, AreFoundInAnyCase) {
  ASSERT_NE(find_command("GeT"), nullptr);
  EXPECT_EQ(find_command("GeT")->name, "get");
  EXPECT_EQ(find_command("gett"), nullptr);
  EXPECT_EQ(find_command(""), nullptr);
  EXPECT_EQ(find_command(std::string(1000, 'x')), nullptr);
  for (const CommandSpec &spec : all_commands()) EXPECT_EQ(find_command(spec.name), &spec);
}

TEST(Commands, EachHasOneWayToRun) {
  for (const CommandSpec &spec : all_commands()) {
    EXPECT_EQ(spec.encode != nullptr, spec.kind != CommandKind::local) << spec.name;
    EXPECT_EQ(spec.run != nullptr, spec.kind == CommandKind::local) << spec.name;
  }
}

TEST(Commands, ArityIsChecked) {
  EXPECT_EQ(error_of({"get"}), "ERR wrong number of arguments for 'get' command");
  EXPECT_EQ(error_of({"GET", "a", "b"}), "ERR wrong number of arguments for 'get' command");
  EXPECT_EQ(error_of({"mset", "a"}), "ERR wrong number of arguments for 'mset' command");
  EXPECT_EQ(error_of({"mset", "a", "1", "b"}), "ERR wrong number of arguments for 'mset' command");
  EXPECT_EQ(error_of({"mset", "a", "1"}), "");
  EXPECT_EQ(error_of({"del"}), "ERR wrong number of arguments for 'del' command");
}

TEST(Commands, UnknownOnesAreNamed) {
  EXPECT_EQ(error_of({"lpush", "a", "b"}),
            "ERR unknown command 'lpush', with args beginning with: 'a' 'b' ");
  EXPECT_LT(error_of({std::string(100000, 'x'), std::string(100000, 'y')}).size(), 500u);
}

TEST(Commands, SetOptions) {
  EXPECT_EQ(error_of({"set", "k", "v", "NX", "GET"}), "");
  EXPECT_EQ(error_of({"set", "k", "v", "NX", "XX"}), "ERR syntax error");
  EXPECT_EQ(error_of({"set", "k", "v", "what"}), "ERR syntax error");
  for (const char *option : {"EX", "px", "EXAT", "PXAT", "KEEPTTL"}) {
    EXPECT_NE(error_of({"set", "k", "v", option, "10"}).find("not supported"), std::string::npos);
  }
}

TEST(Commands, NumbersAreChecked) {
  const std::string error = "ERR value is not an integer or out of range";
  EXPECT_EQ(error_of({"incrby", "k", "x"}), error);
  EXPECT_EQ(error_of({"incrby", "k", "9223372036854775808"}), error);
  EXPECT_EQ(error_of({"incrby", "k", "-9223372036854775808"}), "");
  EXPECT_EQ(error_of({"decrby", "k", "-9223372036854775808"}), "ERR decrement would overflow");
  EXPECT_EQ(error_of({"scan", "x"}), "ERR invalid cursor");
  EXPECT_EQ(error_of({"scan", "0", "count", "0"}), "ERR syntax error");
  EXPECT_EQ(error_of({"scan", "0", "count", "x"}), error);
  EXPECT_EQ(error_of({"scan", "0", "match"}), "ERR syntax error");
  EXPECT_EQ(error_of({"flushall", "now"}), "ERR syntax error");
  EXPECT_EQ(error_of({"flushall", "ASYNC"}), "");
}

TEST(Commands, KeysAndValuesAreLimited) {
  const CommandLimits limits{4, 10};
  EXPECT_EQ(error_of({"set", "1234", "0123456789"}, limits), "");
  EXPECT_NE(error_of({"set", "12345", "v"}, limits), "");
  EXPECT_NE(error_of({"set", "k", "01234567890"}, limits), "");
  EXPECT_NE(error_of({"mset", "k", "v", "12345", "v"}, limits), "");
  EXPECT_NE(error_of({"mset", "k", "v", "l", "01234567890"}, limits), "");
  EXPECT_NE(error_of({"append", "k", "01234567890"}, limits), "");
  EXPECT_NE(error_of({"mget", "k", "12345"}, limits), "");
  // In MSET values are no keys.
  EXPECT_EQ(error_of({"mset", "k", "0123456789"}, limits), "");
}

TEST(Commands, TheKeysOfOneCommandAreLimited) {
  for (const std::string_view name : {"del", "mset", "mget", "exists"}) {
    const size_t words = name == "mset" ? 2 : 1;
    Args args(1 + words * max_command_keys, "x");
    args[0] = name;
    EXPECT_EQ(check_arguments(*find_command(name), args, {}), "") << name;
    args.insert(args.end(), words, "x");
    EXPECT_NE(check_arguments(*find_command(name), args, {}), "") << name;
  }
}

TEST(WriteCommands, RoundTrip) {
  std::string entry(1, write_entry_version);
  encode_set(entry, set_if_absent | set_returns_old, "key", std::string(300, 'v'));
  const std::string_view words[] = {"a", "1", "b", "2"};
  encode_mset(entry, words, 2);
  encode_del(entry, words, 3);
  for (const int64_t amount : {int64_t{0}, int64_t{-1}, INT64_MAX, INT64_MIN}) {
    encode_incr(entry, "n", amount);
  }
  encode_append(entry, 1 << 20, "key", "");
  encode_flush(entry);

  WriteReader reader(entry);
  WriteCommand command;
  ASSERT_EQ(reader.next(command), WriteReader::Next::command);
  EXPECT_EQ(command.op, WriteOp::set);
  EXPECT_EQ(command.flags, set_if_absent | set_returns_old);
  EXPECT_EQ(command.value.size(), 300u);
  ASSERT_EQ(reader.next(command), WriteReader::Next::command);
  EXPECT_EQ(command.list, std::vector<std::string_view>(words, words + 4));
  ASSERT_EQ(reader.next(command), WriteReader::Next::command);
  EXPECT_EQ(command.list, std::vector<std::string_view>(words, words + 3));
  for (const int64_t amount : {int64_t{0}, int64_t{-1}, INT64_MAX, INT64_MIN}) {
    ASSERT_EQ(reader.next(command), WriteReader::Next::command);
    EXPECT_EQ(command.amount, amount);
  }
  ASSERT_EQ(reader.next(command), WriteReader::Next::command);
  EXPECT_EQ(command.max_value_bytes, 1u << 20);
  EXPECT_EQ(command.value, "");
  ASSERT_EQ(reader.next(command), WriteReader::Next::command);
  EXPECT_EQ(command.op, WriteOp::flush);
  EXPECT_EQ(reader.next(command), WriteReader::Next::end);
}

}  // namespace
}  // namespace kvd
