// SPDX-License-Identifier: Apache-2.0
// What kvd is told on its command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "log.h"

namespace kvd {

struct Address {
  std::string host;
  uint16_t port = 0;

  // host:port, with brackets around an IPv6 address
  std::string text() const;
  bool operator==(const Address &) const = default;
};

// A store of the cluster.
struct Member {
  uint64_t id = 0;
  Address peer;    // where other stores reach it
  Address client;  // where clients reach it; what MOVED tells them
};

struct Config {
  uint64_t id = 0;
  std::string data_directory;
  std::vector<Member> members;  // sorted by id
  std::string bind_host;        // empty: the hosts of the own addresses
  std::string cluster_id = "kvd";
  bool bootstrap = false;   // an empty directory may become a store of a new cluster
  std::string peer_secret;  // what all stores have to know; empty: nothing
  uint32_t tick_ms = 50;
  uint32_t election_ticks = 10;
  uint32_t heartbeat_ticks = 2;
  bool pre_vote = true;
  bool check_quorum = true;
  uint64_t compact_after = 10000;
  uint64_t compact_after_bytes = 64 << 20;
  uint64_t max_key_bytes = 4096;
  uint64_t max_value_bytes = 8 << 20;
  uint64_t max_request_bytes = 32 << 20;
  uint64_t max_snapshot_bytes = 1 << 30;
  std::string admin_socket;  // where administrators get in when clients take all places; or empty
  uint64_t max_clients = 10000;
  uint64_t max_client_bytes = 1 << 30;
  uint32_t request_timeout_ms = 5000;
  LogLevel log_level = LogLevel::info;

  const Member *member(uint64_t member_id) const;
  const Member &self() const { return *member(id); }
};

// The largest payload of a frame that a store takes: a snapshot, and what the library adds to it.
inline uint64_t max_message_bytes(const Config &config) {
  return config.max_snapshot_bytes + (64 << 10);
}

// "host:port" or "[host]:port".
std::optional<Address> parse_address(std::string_view text);

// "1=host:port/host:port,2=...": id=peer address/client address. On failure an empty list, and why
// in `error`.
std::vector<Member> parse_members(std::string_view text, std::string &error);

// The command line. nullopt if the process is to end with `exit_code`; then what there was to say
// was said (help and version on stdout, errors on stderr).
std::optional<Config> parse_command_line(int argc, char **argv, int &exit_code);

}  // namespace kvd
