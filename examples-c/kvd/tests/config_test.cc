// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

namespace kvd {
namespace {

std::optional<Config> parse(std::vector<const char *> words, int &exit_code) {
  words.insert(words.begin(), "kvd");
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  auto config = parse_command_line(static_cast<int>(words.size()),
                                   const_cast<char **>(words.data()), exit_code);
  testing::internal::GetCapturedStdout();
  testing::internal::GetCapturedStderr();
  return config;
}

const char *const two = "2=b:12/b:22,1=a:11/[::1]:21";

TEST(Config, ReadsTheCluster) {
  int exit_code = -1;
  const auto config = parse({"--id", "2", "--data", "/d", "--cluster", two}, exit_code);
  ASSERT_TRUE(config);
  ASSERT_EQ(config->members.size(), 2u);
  EXPECT_EQ(config->members[0].id, 1u);
  EXPECT_EQ(config->members[0].client, (Address{"::1", 21}));
  EXPECT_EQ(config->members[0].client.text(), "[::1]:21");
  EXPECT_EQ(config->self().peer.text(), "b:12");
  EXPECT_TRUE(config->pre_vote);
  EXPECT_TRUE(config->check_quorum);
  EXPECT_EQ(config->tick_ms, 50u);
}

TEST(Config, FlagsCanBeTurnedOff) {
  int exit_code = -1;
  const auto config = parse({"--id", "1", "--data", "/d", "--cluster", two, "--no-pre-vote",
                             "--no-check-quorum", "--log-level", "debug"},
                            exit_code);
  ASSERT_TRUE(config);
  EXPECT_FALSE(config->pre_vote);
  EXPECT_FALSE(config->check_quorum);
  EXPECT_EQ(config->log_level, LogLevel::debug);
}

TEST(Config, NothingBeginsUnlessToldTo) {
  int exit_code = -1;
  const auto config = parse({"--id", "1", "--data", "/d", "--cluster", two}, exit_code);
  ASSERT_TRUE(config);
  EXPECT_FALSE(config->bootstrap);
  EXPECT_EQ(config->peer_secret, "");
  EXPECT_TRUE(
      parse({"--id", "1", "--data", "/d", "--cluster", two, "--bootstrap"}, exit_code)->bootstrap);
}

TEST(Config, TheSecretIsTheFirstLineOfItsFile) {
  const std::string path = testing::TempDir() + "/kvd-secret";
  const auto read = [&](const char *content) {
    std::ofstream(path) << content;
    int exit_code = -1;
    const auto config =
        parse({"--id", "1", "--data", "/d", "--cluster", two, "--peer-secret-file", path.c_str()},
              exit_code);
    return config ? config->peer_secret : "";
  };
  EXPECT_EQ(read("0123456789abcdef\n"), "0123456789abcdef");
  EXPECT_EQ(read("0123456789abcdef"), "0123456789abcdef");
  EXPECT_EQ(read("too short\n"), "");
  EXPECT_EQ(read(""), "");
  std::remove(path.c_str());
}

TEST(Config, WrongCommandLinesEndWithAnError) {
  const std::vector<std::vector<const char *>> wrong = {
      {},
      {"--id", "1", "--data", "/d"},
      {"--id", "3", "--data", "/d", "--cluster", two},
      {"--id", "1", "--data", "/d", "--cluster", "1=a:1"},
      {"--id", "1", "--data", "/d", "--cluster", "1=a:1/b:2,1=a:3/b:4"},
      {"--id", "1", "--data", "/d", "--cluster", two, "--cluster-id", "a b"},
      {"--id", "1", "--data", "/d", "--cluster", two, "--election-ticks", "2"},
      {"--id", "1", "--data", "/d", "--cluster", two, "--tick-ms", "0"},
      {"--id", "1", "--data", "/d", "--cluster", two, "--log-level", "loud"},
      {"--id", "1", "--data", "/d", "--cluster", two, "--max-value-bytes", "99999999"},
      {"--id", "1", "--data", "/d", "--cluster", two, "--peer-secret-file", "/no/such/file"},
      {"--id", "1", "--data", "/d", "--cluster", two, "--nonsense"},
  };
  for (size_t i = 0; i < wrong.size(); ++i) {
    int exit_code = 0;
    EXPECT_FALSE(parse(wrong[i], exit_code)) << "case " << i;
    EXPECT_NE(exit_code, 0) << "case " << i;
  }
}

TEST(Config, HelpAndVersionSucceed) {
  for (const char *const word : {"--help", "--version"}) {
    int exit_code = -1;
    EXPECT_FALSE(parse({word}, exit_code));
    EXPECT_EQ(exit_code, 0) << word;
  }
}

TEST(Config, AddressesNeedHostAndPort) {
  for (const char *const text :
       {"", "host", "host:", ":1", "host:0", "host:65536", "host:1x", "::1:80", "[]:80"}) {
    EXPECT_FALSE(parse_address(text)) << text;
  }
  EXPECT_EQ(parse_address("[::1]:80"), (Address{"::1", 80}));
}

}  // namespace
}  // namespace kvd
