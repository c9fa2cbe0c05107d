// SPDX-License-Identifier: Apache-2.0
// How two stores begin a connection: four lines of printable ASCII, each at most max_handshake_line
// bytes with its end.
//
//   connecting  kvd-peer 2 <cluster id> <its store id> <the other's store id> <nonce>
//   accepting   kvd-peer 2 <nonce> <proof>
//   connecting  kvd-store <birth> <disk> <members> <entry version> <largest message> <proof>
//   accepting   the same of its own, or: kvd-refused <reason>, or: kvd-wait <reason>
//
// Nonces (16 bytes), ids (16 bytes; the birth of a store that is no part of a cluster yet is '-')
// and proofs (32 bytes) are hexadecimal, numbers decimal, members are store ids with commas between
// them.
//
// A proof is HMAC-SHA-256 with the secret of --peer-secret-file (without one: the empty secret)
// over all lines so far and this one up to the space before the proof. As both nonces are in it,
// each side knows that the other one has the secret, and has it now. What follows is not protected
// by it.
//
// Frames follow (frame.h), from the connecting store only, and none if one of the two is no part of
// a cluster yet.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvd {

constexpr size_t max_handshake_line = 2048;

struct Hello {
  std::string cluster_id;
  uint64_t from = 0;
  uint64_t to = 0;

  bool operator==(const Hello &) const = default;
};

// What a store says of itself.
struct StoreFacts {
  std::string birth;  // empty: not part of a cluster yet
  std::string disk;
  std::vector<uint64_t> members;   // of its --cluster, sorted
  uint64_t entry_version = 0;      // the newest format of entries that it reads
  uint64_t max_message_bytes = 0;  // the largest payload of a frame that it takes

  bool operator==(const StoreFacts &) const = default;
};

// One handshake, on either side: makes this side's lines and reads the other's, all in their order.
// Lines that are made have their newline, lines that are read have none.
class Handshake {
 public:
  explicit Handshake(std::string_view secret) : secret_(secret) {}

  std::string hello(const Hello &hello);
  std::optional<Hello> read_hello(std::string_view line);  // nullopt: it is none

  std::string challenge();
  // False: it is none, or its proof is wrong.
  bool read_challenge(std::string_view line);

  std::string facts(const StoreFacts &facts);
  std::optional<StoreFacts> read_facts(std::string_view line);  // nullopt as read_challenge

 private:
  std::string prove(std::string line);
  // The line without its proof, if that is right.
  std::optional<std::string_view> take_proof(std::string_view line);
  void note(std::string_view line);

  std::string secret_;
  std::string transcript_;
};

// Why there are no facts in the fourth line.
struct Refusal {
  bool waits = false;  // only until one of the two stores is part of the cluster
  std::string reason;

  bool operator==(const Refusal &) const = default;
};

std::string write_refusal(const Refusal &refusal);
// nullopt: the line is none.
std::optional<Refusal> read_refusal(std::string_view line);

// A cluster id stands in the handshake as one word: 1..64 of letters, digits, '-', '_' and '.'.
bool valid_cluster_id(std::string_view id);

}  // namespace kvd
