// SPDX-License-Identifier: Apache-2.0
#include "handshake.h"

#include <gtest/gtest.h>

namespace kvd {
namespace {

const std::string disk(16, '\x42');
const std::string birth(16, '\xb1');
const StoreFacts some_facts{birth, disk, {1, 2, 12}, 1, 1000};

// A line as the other side reads it.
std::string without_end(const std::string &line) {
  EXPECT_TRUE(line.ends_with('\n'));
  EXPECT_LE(line.size(), max_handshake_line);
  return line.substr(0, line.size() - 1);
}

TEST(Handshake, BothSidesLearnOfEachOther) {
  for (const StoreFacts &facts : {some_facts, StoreFacts{"", disk, {1}, 3, 7}}) {
    Handshake connecting("secret");
    Handshake accepting("secret");
    const Hello hello{"test-cluster_1.x", 3, 12};
    EXPECT_EQ(accepting.read_hello(without_end(connecting.hello(hello))), hello);
    EXPECT_TRUE(connecting.read_challenge(without_end(accepting.challenge())));
    EXPECT_EQ(accepting.read_facts(without_end(connecting.facts(facts))), facts);
    EXPECT_EQ(connecting.read_facts(without_end(accepting.facts(some_facts))), some_facts);
  }
}

TEST(Handshake, NeitherSideGoesOnWithoutTheSecret) {
  Handshake knows("secret");
  Handshake guesses("Secret");
  ASSERT_TRUE(knows.read_hello(without_end(guesses.hello({"c", 1, 2}))));
  const std::string challenge = without_end(knows.challenge());
  EXPECT_FALSE(guesses.read_challenge(challenge));
  // A client that does not mind makes a proof of its own.
  Handshake goes_on("Secret");
  EXPECT_EQ(knows.read_facts(without_end(goes_on.facts(some_facts))), std::nullopt);
}

TEST(Handshake, WhatWasSaidOnceIsNoProofLater) {
  std::string recorded;
  for (int time = 0; time < 2; ++time) {
    Handshake connecting("secret");
    Handshake accepting("secret");
    ASSERT_TRUE(accepting.read_hello(without_end(connecting.hello({"c", 1, 2}))));
    ASSERT_TRUE(connecting.read_challenge(without_end(accepting.challenge())));
    if (time == 0) recorded = without_end(connecting.facts(some_facts));
    EXPECT_EQ(accepting.read_facts(recorded).has_value(), time == 0);
  }
}

TEST(Handshake, AProofIsOfEveryCharacter) {
  Handshake connecting("secret");
  const std::string hello = without_end(connecting.hello({"c", 1, 2}));
  Handshake accepting("secret");
  ASSERT_TRUE(accepting.read_hello(hello));
  ASSERT_TRUE(connecting.read_challenge(without_end(accepting.challenge())));
  const std::string line = without_end(connecting.facts(some_facts));
  for (size_t i = 0; i < line.size(); ++i) {
    Handshake copy = accepting;
    std::string changed = line;
    changed[i] = changed[i] == '1' ? '2' : '1';
    EXPECT_EQ(copy.read_facts(changed), std::nullopt) << i;
  }
}

TEST(Handshake, AnythingElseIsRefused) {
  const std::string nonce(32, 'a');
  EXPECT_TRUE(Handshake("").read_hello("kvd-peer 2 c 1 2 " + nonce));
  for (const std::string &line :
       {std::string(), std::string("kvd-peer"), "kvd-peer 2 c 1 " + nonce,
        "kvd-peer 1 c 1 2 " + nonce, "kvd-peer 2 c 1 2 3 " + nonce, "kvd-peer 2 c x 2 " + nonce,
        "kvd-peer 2 c 1 -2 " + nonce, "kvd-peer 2 c! 1 2 " + nonce, "kvd-peer  2 c 1 2 " + nonce,
        "kvd-peer 2 c 1 2 " + nonce + " ", "kvd-peer 2 c 1 2 " + nonce + "\r",
        "kvd-peer 2 c 1 2 " + nonce.substr(1), "kvd-peer 2 c 1 2 x" + nonce.substr(1),
        std::string("GET / HTTP/1.1"), "kvd-peer 2 c 1 99999999999999999999 " + nonce,
        std::string("kvd-peer 1 c 1 2")}) {
    EXPECT_EQ(Handshake("").read_hello(line), std::nullopt) << line;
  }
}

TEST(Handshake, RefusalsSayWhy) {
  const Refusal refused{false, "it is too late"};
  const Refusal waits{true, "not yet"};
  EXPECT_EQ(read_refusal(without_end(write_refusal(refused))), refused);
  EXPECT_EQ(read_refusal(without_end(write_refusal(waits))), waits);
  EXPECT_EQ(read_refusal("kvd-store 1 2"), std::nullopt);
  EXPECT_EQ(read_refusal(""), std::nullopt);
  EXPECT_EQ(read_refusal("kvd-refused a\x1b[1mb")->reason, "a?[1mb");
}

}  // namespace
}  // namespace kvd
