// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <fstream>
#include <iostream>

#include "handshake.h"
#include "version.h"

namespace kvd {
namespace {

template <typename Number>
std::optional<Number> parse_whole(std::string_view text) {
  Number value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// What stands before `separator`, which is taken off the front of `rest` with it.
std::string_view take_until(std::string_view &rest, char separator) {
  const size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

std::optional<Member> parse_member(std::string_view text) {
  const auto id = parse_whole<uint64_t>(take_until(text, '='));
  const auto peer = parse_address(take_until(text, '/'));
  const auto client = parse_address(text);
  if (!id || *id == 0 || !peer || !client) return std::nullopt;
  return Member{*id, *peer, *client};
}

std::string check_together(const Config &config) {
  if (config.member(config.id) == nullptr) return "--cluster does not name the store of --id";
  if (!valid_cluster_id(config.cluster_id)) {
    return "--cluster-id must be 1 to 64 letters, digits, '-', '_' or '.'";
  }
  if (config.election_ticks <= config.heartbeat_ticks) {
    return "--election-ticks must be greater than --heartbeat-ticks";
  }
  if (config.max_request_bytes < config.max_value_bytes + config.max_key_bytes + 1024) {
    return "--max-request-bytes must leave room for --max-value-bytes and --max-key-bytes";
  }
  if (config.max_snapshot_bytes < 2 * config.max_request_bytes) {
    return "--max-snapshot-bytes must be at least twice --max-request-bytes";
  }
  return "";
}

// Reads the secret that the stores share: a line of at least 16 characters.
std::string read_secret(const std::string &path, std::string &secret) {
  if (path.empty()) return "";
  std::ifstream file(path);
  std::getline(file, secret);
  if (file.bad() || secret.empty()) return "--peer-secret-file: cannot read a secret from " + path;
  if (secret.size() < 16) return "--peer-secret-file: a secret has at least 16 characters";
  return "";
}

// What the command line has before it is checked.
struct Words {
  std::string members;
  std::string secret_file;
  std::string log_level = "info";
};

void add_options(CLI::App &app, Config &config, Words &words) {
  const auto positive = CLI::Range(1u, 1u << 30);
  app.add_option("--id", config.id, "This store's id, one of --cluster")->required();
  app.add_option("--data", config.data_directory, "Directory of the data; made if missing")
      ->required();
  app.add_option("--cluster", words.members,
                 "All stores: id=PEER/CLIENT,... with two addresses host:port each, the one for "
                 "other stores and the one for clients")
      ->required();
  app.add_flag("--bootstrap", config.bootstrap,
               "An empty directory becomes a store of a new cluster, together with those of all "
               "other stores of --cluster; does nothing if there is data");
  app.add_option("--peer-secret-file", words.secret_file,
                 "A file whose first line all stores must have: others are refused");
  app.add_option(
      "--admin-socket", config.admin_socket,
      "A socket in the file system that takes a few clients beside those of --max-clients");
  app.option_defaults()->always_capture_default();
  app.add_option("--bind", config.bind_host,
                 "Listen on this host instead of the hosts of the own addresses");
  app.add_option("--cluster-id", config.cluster_id,
                 "Stores of another cluster id are not talked to");
  app.add_option("--tick-ms", config.tick_ms, "Raft's clock")->check(positive);
  app.add_option("--election-ticks", config.election_ticks,
                 "Ticks without a leader before an election (up to twice as many)")
      ->check(positive);
  app.add_option("--heartbeat-ticks", config.heartbeat_ticks, "Ticks between heartbeats")
      ->check(positive);
  app.add_flag("--pre-vote,!--no-pre-vote", config.pre_vote,
               "Ask before an election whether it could be won (on)");
  app.add_flag("--check-quorum,!--no-check-quorum", config.check_quorum,
               "A leader that reaches no majority steps down (on)");
  app.add_option("--compact-after", config.compact_after,
                 "Applied log entries that are kept at most; half of them stay when the log is cut")
      ->check(CLI::Range(uint64_t{2}, uint64_t{1} << 40));
  app.add_option("--compact-after-bytes", config.compact_after_bytes, "The same in bytes, about")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 50));
  app.add_option("--max-key-bytes", config.max_key_bytes, "Largest key")->check(positive);
  app.add_option("--max-value-bytes", config.max_value_bytes, "Largest value")->check(positive);
  app.add_option("--max-request-bytes", config.max_request_bytes, "Largest request of a client")
      ->check(positive);
  app.add_option("--max-snapshot-bytes", config.max_snapshot_bytes,
                 "Largest message between stores: a snapshot must fit")
      ->check(CLI::Range(uint64_t{1}, (uint64_t{1} << 32) - 1));
  app.add_option("--max-clients", config.max_clients, "Connections of clients")->check(positive);
  app.add_option(
         "--max-client-bytes", config.max_client_bytes,
         "Memory for all clients' requests, replies and buffers; beyond, the client with the "
         "most is disconnected")
      ->check(CLI::Range(uint64_t{1} << 20, uint64_t{1} << 50));
  app.add_option("--request-timeout-ms", config.request_timeout_ms,
                 "A request that is not decided by then is answered with an error")
      ->check(positive);
  app.add_option("--log-level", words.log_level, "debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
}

}  // namespace

std::string Address::text() const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

const Member *Config::member(uint64_t member_id) const {
  for (const Member &member : members) {
    if (member.id == member_id) return &member;
  }
  return nullptr;
}

std::optional<Address> parse_address(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_whole<uint16_t>(text.substr(colon + 1));
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[')) {
    host = host.ends_with(']') ? host.substr(1, host.size() - 2) : "";
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;
  }
  if (!port || *port == 0 || host.empty()) return std::nullopt;
  return Address{std::string(host), *port};
}

std::vector<Member> parse_members(std::string_view text, std::string &error) {
  std::vector<Member> members;
  while (!text.empty()) {
    const std::string_view part = take_until(text, ',');
    const auto member = parse_member(part);
    if (!member) {
      error = "--cluster: '" + std::string(part) + "' is not id=host:port/host:port";
      return {};
    }
    members.push_back(*member);
  }
  std::sort(members.begin(), members.end(),
            [](const Member &a, const Member &b) { return a.id < b.id; });
  for (size_t i = 1; i < members.size(); ++i) {
    if (members[i].id == members[i - 1].id) {
      error = "--cluster: store " + std::to_string(members[i].id) + " stands there twice";
      return {};
    }
  }
  if (members.empty()) error = "--cluster: no store";
  return members;
}

std::optional<Config> parse_command_line(int argc, char **argv, int &exit_code) {
  Config config;
  Words words;
  CLI::App app{
      "kvd: a replicated key-value store that speaks the Redis protocol.\n"
      "Each process is one store; the stores of --cluster keep the same data by Raft."};
  app.set_version_flag("--version", version_text());
  add_options(app, config, words);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &problem) {
    exit_code = app.exit(problem);
    return std::nullopt;
  }
  std::string error;
  config.members = parse_members(words.members, error);
  config.log_level = parse_log_level(words.log_level).value();
  if (error.empty()) error = check_together(config);
  if (error.empty()) error = read_secret(words.secret_file, config.peer_secret);
  if (!error.empty()) {
    std::cerr << error << "\nRun with --help for more information.\n";
    exit_code = 2;
    return std::nullopt;
  }
  return config;
}

}  // namespace kvd
