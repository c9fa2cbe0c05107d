// SPDX-License-Identifier: Apache-2.0
#include "state_machine.h"

#include <gtest/gtest.h>

#include <limits>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <sstream>

#include "background.h"
#include "checkpoint.h"
#include "key_commands.h"
#include "key_space.h"
#include "read_command.h"
#include "snapshot.h"
#include "scan_cursors.h"
#include "test_engine.h"

namespace kvd {
namespace {

class StateMachine : public testing::Test {
 protected:
  // Applies commands of clients as one log entry; their replies one after the other.
  std::string write_all(const std::vector<std::vector<std::string>> &commands) {
    std::string entry(1, write_entry_version);
    for (const auto &words : commands) entry += encode(words);
    return apply(entry);
  }
  std::string write(const std::vector<std::string> &command) { return write_all({command}); }

  std::string apply(const std::string &entry, bool well_formed = true) {
    std::string replies;
    EXPECT_EQ(well_formed, apply_entry(entry, SlotRange{}, *keys_,
                                       [&](size_t, std::string_view reply) { replies += reply; }));
    ++state_.index;
    return replies;
  }

  // What a Peer does: reads of few keys see what is in memory, for the others it goes to the
  // database.
  std::string read(const std::vector<std::string> &words) {
    std::string reply;
    const std::string encoded = encode(words);
    if (!is_long_read(encoded) && execute_short_read(encoded, *keys_, reply)) return reply;
    store(false);
    const auto cursor = cursor_of_scan(encoded);
    const auto result =
        execute_long_read(encoded, *engine_, SlotRange{}, cursor ? cursors_.begin_of(*cursor) : "");
    if (!cursor) return result.reply;
    return ::kvd::scan_reply(cursors_.behind(result.last_data_key), result.reply);
  }

  // Carries what is in memory to the database.
  void store(bool as_file) {
    const auto changes = keys_->take_recent();
    (as_file ? store_as_file : store_in_memory)(*engine_, 1, *changes, state_);
    keys_->stored(changes);
  }

  // A restart of the process after a checkpoint.
  void reopen() {
    store(true);
    keys_.reset();
    engine_.reopen();
    keys_ = std::make_unique<KeySpace>(*engine_);
  }

  std::string encode(const std::vector<std::string> &words) {
    const Args args(words.begin(), words.end());
    const CommandSpec *spec = find_command(args[0]);
    std::string encoded;
    EXPECT_EQ(check_arguments(*spec, args, limits_), "");
    EXPECT_EQ(spec->encode(args, limits_, encoded), "");
    return encoded;
  }

  CommandLimits limits_;
  ScanCursors cursors_;
  TestEngine engine_;
  std::unique_ptr<KeySpace> keys_ = std::make_unique<KeySpace>(*engine_);
  ApplyState state_;
};

TEST_F(StateMachine, SetAndGet) {
  EXPECT_EQ(read({"get", "k"}), "$-1\r\n");
  EXPECT_EQ(write({"set", "k", "v"}), "+OK\r\n");
  EXPECT_EQ(read({"get", "k"}), "$1\r\nv\r\n");
  EXPECT_EQ(write({"set", "k", ""}), "+OK\r\n");
  EXPECT_EQ(read({"get", "k"}), "$0\r\n\r\n");
  EXPECT_EQ(write({"set", "", "empty key"}), "+OK\r\n");
  EXPECT_EQ(read({"get", ""}), "$9\r\nempty key\r\n");
}

TEST_F(StateMachine, ConditionalSet) {
  EXPECT_EQ(write({"set", "k", "1", "xx"}), "$-1\r\n");
  EXPECT_EQ(write({"set", "k", "1", "nx"}), "+OK\r\n");
  EXPECT_EQ(write({"set", "k", "2", "NX"}), "$-1\r\n");
  EXPECT_EQ(write({"set", "k", "2", "XX"}), "+OK\r\n");
  EXPECT_EQ(write({"set", "k", "3", "get"}), "$1\r\n2\r\n");
  EXPECT_EQ(write({"set", "k", "4", "nx", "get"}), "$1\r\n3\r\n");
  EXPECT_EQ(write({"set", "new", "5", "get"}), "$-1\r\n");
  EXPECT_EQ(read({"mget", "k", "new", "none"}), "*3\r\n$1\r\n3\r\n$1\r\n5\r\n$-1\r\n");
}

TEST_F(StateMachine, Counters) {
  EXPECT_EQ(write({"incr", "n"}), ":1\r\n");
  EXPECT_EQ(write({"incrby", "n", "41"}), ":42\r\n");
  EXPECT_EQ(write({"decr", "n"}), ":41\r\n");
  EXPECT_EQ(write({"decrby", "n", "-9"}), ":50\r\n");
  EXPECT_EQ(read({"get", "n"}), "$2\r\n50\r\n");
  const std::string largest = std::to_string(std::numeric_limits<int64_t>::max());
  write({"set", "n", largest});
  EXPECT_EQ(write({"incr", "n"}), "-ERR increment or decrement would overflow\r\n");
  EXPECT_EQ(read({"get", "n"}), "$19\r\n" + largest + "\r\n");
}

TEST_F(StateMachine, CountersTakeOnlyCanonicalIntegers) {
  for (const char *value : {"", "x", "1.0", " 1", "1 ", "+1", "01", "-0", "9223372036854775808"}) {
    write({"set", "n", value});
    EXPECT_EQ(write({"incr", "n"}), "-ERR value is not an integer or out of range\r\n") << value;
    EXPECT_EQ(read({"strlen", "n"}), ":" + std::to_string(strlen(value)) + "\r\n");
  }
  write({"set", "n", "-9223372036854775808"});
  EXPECT_EQ(write({"incr", "n"}), ":-9223372036854775807\r\n");
}

TEST_F(StateMachine, DelAndExistsCount) {
  write({"mset", "a", "1", "b", "2"});
  EXPECT_EQ(read({"exists", "a", "b", "b", "c"}), ":3\r\n");
  EXPECT_EQ(write({"del", "a", "a", "c"}), ":1\r\n");
  EXPECT_EQ(read({"exists", "a"}), ":0\r\n");
}

TEST_F(StateMachine, AppendIsLimitedByWhatTheEntrySays) {
  EXPECT_EQ(write({"append", "k", "abc"}), ":3\r\n");
  EXPECT_EQ(write({"append", "k", "de"}), ":5\r\n");
  limits_.max_value_bytes = 6;
  const std::string entry = std::string(1, write_entry_version) + encode({"append", "k", "fg"});
  limits_.max_value_bytes = 1000;  // another replica's option: it must not matter
  EXPECT_EQ(apply(entry).substr(0, 5), "-ERR ");
  EXPECT_EQ(read({"get", "k"}), "$5\r\nabcde\r\n");
}

TEST_F(StateMachine, WritesOfOneEntrySeeEachOther) {
  EXPECT_EQ(write_all({{"set", "n", "1"},
                       {"incr", "n"},
                       {"append", "n", "0"},
                       {"set", "n", "x", "nx"},
                       {"del", "n"},
                       {"set", "n", "7", "nx", "get"},
                       {"incr", "n"}}),
            "+OK\r\n:2\r\n:2\r\n$-1\r\n:1\r\n$-1\r\n:8\r\n");
  EXPECT_EQ(read({"get", "n"}), "$1\r\n8\r\n");
}

TEST_F(StateMachine, FlushRemovesWhatWasBeforeAndNothingAfter) {
  write({"mset", "a", "1", "b", "2"});
  EXPECT_EQ(
      write_all(
          {{"set", "c", "3"}, {"flushall"}, {"incr", "a"}, {"del", "b", "c"}, {"set", "d", "4"}}),
      "+OK\r\n+OK\r\n:1\r\n:0\r\n+OK\r\n");
  EXPECT_EQ(read({"dbsize"}), ":2\r\n");
  EXPECT_EQ(read({"mget", "a", "b", "c", "d"}), "*4\r\n$1\r\n1\r\n$-1\r\n$-1\r\n$1\r\n4\r\n");
}

TEST_F(StateMachine, KeysAreFoundByPattern) {
  write({"mset", "user:1", "a", "user:2", "b", "other", "c"});
  EXPECT_EQ(read({"keys", "user:?"}).substr(0, 4), "*2\r\n");
  EXPECT_EQ(read({"keys", "nothing*"}), "*0\r\n");
  EXPECT_EQ(read({"keys", "other"}), "*1\r\n$5\r\nother\r\n");
}

// The keys of a SCAN reply, and its cursor.
std::vector<std::string> scan_reply(const std::string &reply, std::string &cursor) {
  std::vector<std::string> words;
  std::istringstream lines(reply);
  std::string line;
  for (int number = 0; std::getline(lines, line); ++number) {
    line.pop_back();
    if (number == 2) cursor = line;
    if (number >= 5 && number % 2 == 1) words.push_back(line);
  }
  return words;
}

// All keys that a whole SCAN answers, with how often.
std::map<std::string, int> scan_all(const std::function<std::string(const std::string &)> &scan) {
  std::map<std::string, int> found;
  std::string cursor = "0";
  do {
    for (const auto &key : scan_reply(scan(cursor), cursor)) ++found[key];
  } while (cursor != "0");
  return found;
}

TEST_F(StateMachine, ScanFindsEachKeyOnce) {
  std::vector<std::vector<std::string>> commands;
  for (int i = 0; i < 500; ++i) commands.push_back({"set", "key:" + std::to_string(i), "v"});
  for (int i = 0; i < 30; ++i) commands.push_back({"set", "{same}" + std::to_string(i), "v"});
  write_all(commands);
  for (const char *count : {"1", "10", "100", "100000"}) {
    const auto found = scan_all([&](const std::string &cursor) {
      return read({"scan", cursor, "COUNT", count});
    });
    EXPECT_EQ(found.size(), commands.size()) << "COUNT " << count;
    for (const auto &[key, times] : found) EXPECT_EQ(times, 1) << key;
  }
  std::string cursor;
  EXPECT_EQ(scan_reply(read({"scan", "0", "match", "key:49?", "count", "1000"}), cursor).size(),
            10u);
  EXPECT_TRUE(scan_reply(read({"scan", "0", "type", "list", "count", "1000"}), cursor).empty());
}

// All of these keys are in one slot.
TEST_F(StateMachine, ScanIsBoundedByCountAndBytes) {
  std::vector<std::vector<std::string>> commands;
  const std::string long_key(4000, 'x');
  for (int i = 0; i < 1000; ++i) {
    commands.push_back({"set", "{same}" + std::to_string(i) + long_key, "v"});
  }
  write_all(commands);
  EXPECT_LT(read({"scan", "0", "COUNT", "1"}).size(), 2 * long_key.size());
  EXPECT_LT(read({"scan", "0", "COUNT", "1000000"}).size(), size_t{3} << 20);
  const auto found = scan_all([&](const std::string &cursor) {
    return read({"scan", cursor, "COUNT", "1000000"});
  });
  EXPECT_EQ(found.size(), commands.size());
}

// A read of few keys with large values is not for the loop.
TEST_F(StateMachine, ReadsOfManyBytesAreLong) {
  const std::string value(600 << 10, 'v');
  write_all({{"mset", "a", value, "b", value}});
  std::string reply;
  EXPECT_TRUE(execute_short_read(encode({"get", "a"}), *keys_, reply));
  EXPECT_TRUE(execute_short_read(encode({"mget", "a"}), *keys_, reply));
  reply.clear();
  EXPECT_FALSE(execute_short_read(encode({"mget", "a", "b"}), *keys_, reply));
  EXPECT_FALSE(execute_short_read(encode({"exists", "a", "b"}), *keys_, reply));
  EXPECT_EQ(reply, "");
  EXPECT_EQ(read({"exists", "a", "b"}), ":2\r\n");
  EXPECT_GT(read({"mget", "a", "b"}).size(), 2 * value.size());
}

// Some keys in table files, some in memory, and some covered by a deleted range in either.
TEST_F(StateMachine, ScanAndPointReadsAgreeWhereverKeysAre) {
  const auto scan = [&](const std::string &cursor) { return read({"scan", cursor}); };
  write_all({{"mset", "a", "1", "b", "2", "{a}x", "3"}, {"set", "gone", "1"}});
  reopen();
  EXPECT_EQ(scan_all(scan).size(), 4u);
  write_all({{"set", "{a}y", "4"}, {"del", "gone"}});
  EXPECT_EQ(scan_all(scan).size(), 4u);
  write({"flushall"});
  EXPECT_TRUE(scan_all(scan).empty());
  EXPECT_EQ(read({"exists", "a", "b", "{a}x", "{a}y"}), ":0\r\n");
  write({"set", "b", "5"});
  EXPECT_EQ(scan_all(scan), (std::map<std::string, int>{{"b", 1}}));
  reopen();
  EXPECT_EQ(scan_all(scan), (std::map<std::string, int>{{"b", 1}}));
  EXPECT_EQ(read({"keys", "*"}), "*1\r\n$1\r\nb\r\n");
}

TEST_F(StateMachine, DataSurvivesAReopenOfTheDatabase) {
  write_all({{"mset", "a", "1", "b", "2"}, {"flushall"}, {"set", "c", "3"}});
  reopen();
  EXPECT_EQ(read({"mget", "a", "b", "c"}), "*3\r\n$-1\r\n$-1\r\n$1\r\n3\r\n");
}

TEST_F(StateMachine, MalformedEntriesDoNothingMoreFromWhereTheyAre) {
  const std::string good = std::string(1, write_entry_version) + encode({"set", "a", "1"});
  const std::string second = encode({"mset", "b", "2", "c", "3"});
  for (size_t cut = 1; cut < second.size(); ++cut) {
    EXPECT_EQ(apply(good + second.substr(0, cut), false), "+OK\r\n") << cut;
  }
  EXPECT_EQ(read({"exists", "a", "b", "c"}), ":1\r\n");
  EXPECT_EQ(apply(good + "\x7f", false), "+OK\r\n");
  EXPECT_EQ(apply(""), "");  // the empty entry at the start of a term
}

TEST_F(StateMachine, GarbageEntriesDoNotHurt) {
  std::mt19937 random(11);
  for (int round = 0; round < 3000; ++round) {
    std::string entry(1 + random() % 40, ' ');
    for (char &c : entry) c = static_cast<char>(random() % 8);
    entry[0] = write_entry_version;
    apply_entry(entry, SlotRange{}, *keys_, [](size_t, std::string_view) {});
  }
}

TEST_F(StateMachine, EntriesOfANewerVersionStopTheProcess) {
  EXPECT_EXIT(apply("\x02whatever"), testing::ExitedWithCode(1), "newer");
}

TEST_F(StateMachine, WritesDoTheSameAsAModel) {
  std::mt19937 random(5);
  std::map<std::string, std::string> model;
  for (int round = 0; round < 300; ++round) {
    std::vector<std::vector<std::string>> commands;
    for (size_t i = random() % 8 + 1; i > 0; --i) {
      const std::string key = "k" + std::to_string(random() % 6);
      const std::string value = std::to_string(random() % 100);
      switch (random() % 6) {
        case 0:
          commands.push_back({"set", key, value});
          model[key] = value;
          break;
        case 1:
          commands.push_back({"set", key, value, "nx"});
          model.emplace(key, value);
          break;
        case 2:
          commands.push_back({"del", key});
          model.erase(key);
          break;
        case 3:
          commands.push_back({"append", key, value});
          if ((model[key] += value).size() > 15) {
            commands.push_back({"set", key, "1"});
            model[key] = "1";
          }
          break;
        case 4:
          commands.push_back({"incrby", key, value});
          // Appending may have made "00": not an integer, and then nothing changes.
          if (!model.count(key)) {
            model[key] = value;
          } else if (model[key] == "0" || model[key][0] != '0') {
            model[key] = std::to_string(std::stoll(model[key]) + std::stoll(value));
          }
          break;
        default:
          if (random() % 20 == 0) {
            commands.push_back({"flushdb"});
            model.clear();
          }
      }
    }
    write_all(commands);
    switch (random() % 8) {
      case 0: store(true); break;
      case 1: store(false); break;
      case 2:
        if (random() % 6 == 0) reopen();
        break;
      default: break;
    }
    for (int k = 0; k < 6; ++k) {
      const std::string key = "k" + std::to_string(k);
      const auto expected = model.find(key);
      ASSERT_EQ(read({"get", key}), expected == model.end()
                                        ? "$-1\r\n"
                                        : "$" + std::to_string(expected->second.size()) + "\r\n" +
                                              expected->second + "\r\n")
          << "round " << round;
    }
  }
}

TEST_F(StateMachine, SnapshotsCarryAllKeysToAnotherStore) {
  write({"mset", "a", "1", "b", std::string(100000, 'x'), "", "empty key", "c", ""});
  state_ = {42, 7, "membership"};
  store(true);
  const auto snapshot = build_snapshot(*engine_, 1, SlotRange{}, 1 << 20);
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->state.index, 42u);
  EXPECT_EQ(snapshot->state.term, 7u);
  EXPECT_EQ(snapshot->state.conf_state, "membership");
  EXPECT_FALSE(build_snapshot(*engine_, 1, SlotRange{}, 1000));

  write_all({{"flushall"}, {"mset", "a", "other", "old", "1"}});
  rocksdb::WriteBatch install;
  ASSERT_TRUE(is_snapshot_of(snapshot->data, SlotRange{}));
  install_snapshot(snapshot->data, SlotRange{}, *engine_, install);
  keys_->forget();
  engine_->write(install, true);
  EXPECT_EQ(read({"mget", "a", "old", "", "c"}),
            "*4\r\n$1\r\n1\r\n$-1\r\n$9\r\nempty key\r\n$0\r\n\r\n");
  EXPECT_EQ(read({"strlen", "b"}), ":100000\r\n");
  EXPECT_EQ(read({"dbsize"}), ":4\r\n");
}

TEST_F(StateMachine, BrokenSnapshotsAreRefused) {
  write({"mset", "a", "1", "b", "2"});
  store(true);
  const std::string bytes = build_snapshot(*engine_, 1, SlotRange{}, 1 << 20)->data;
  rocksdb::WriteBatch install;
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_FALSE(is_snapshot_of(bytes.substr(0, cut), SlotRange{})) << cut;
  }
  EXPECT_FALSE(is_snapshot_of(bytes + "x", SlotRange{}));
  EXPECT_FALSE(is_snapshot_of(bytes, SlotRange{0, 1})) << "keys of other slots";
  EXPECT_EQ(install.Count(), 0u);
}

}  // namespace
}  // namespace kvd
