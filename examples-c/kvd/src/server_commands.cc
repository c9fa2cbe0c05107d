// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "glob.h"
#include "local_commands.h"
#include "random_bytes.h"
#include "resp.h"
#include "store.h"
#include "version.h"

namespace kvd {
namespace {

void append_flags(std::string &reply, std::string_view flags) {
  std::vector<std::string_view> words;
  while (!flags.empty()) {
    const size_t end = std::min(flags.find(' '), flags.size());
    words.push_back(flags.substr(0, end));
    flags.remove_prefix(std::min(end + 1, flags.size()));
  }
  append_array(reply, words.size());
  for (const std::string_view word : words) append_simple(reply, word);
}

// What COMMAND tells of one command: the fields that Redis had before version 7, which say where
// the keys stand.
void append_command_info(std::string &reply, const CommandSpec &spec) {
  append_array(reply, 6);
  append_bulk(reply, spec.name);
  append_integer(reply, spec.arity);
  append_flags(reply, spec.flags);
  append_integer(reply, spec.first_key);
  append_integer(reply, spec.last_key);
  append_integer(reply, spec.key_step);
}

struct Setting {
  std::string name;
  std::string value;
};

// What clients look at (redis-benchmark: save and appendonly) and what was set.
std::vector<Setting> settings(const Store &store) {
  const Config &config = store.config();
  return {
      {"appendonly", "yes"},
      {"save", ""},
      {"databases", "1"},
      {"cluster-enabled", "yes"},
      {"dir", config.data_directory},
      {"port", std::to_string(config.self().client.port)},
      {"maxclients", std::to_string(store.max_clients())},
      {"proto-max-bulk-len", std::to_string(config.max_request_bytes)},
      {"max-key-bytes", std::to_string(config.max_key_bytes)},
      {"max-value-bytes", std::to_string(config.max_value_bytes)},
  };
}

void line(std::string &text, std::string_view name, const std::string &value) {
  text.append(name).append(":").append(value).append("\r\n");
}

void line(std::string &text, std::string_view name, uint64_t value) {
  line(text, name, std::to_string(value));
}

void info_server(std::string &text, Store &store) {
  const auto up = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - store.started());
  line(text, "redis_version", compatible_redis_version);
  line(text, "redis_mode", "cluster");
  line(text, "kvd_version", kvd_version);
  line(text, "process_id", static_cast<uint64_t>(getpid()));
  line(text, "tcp_port", store.config().self().client.port);
  line(text, "uptime_in_seconds", static_cast<uint64_t>(up.count()));
}

void info_stats(std::string &text, Store &store) {
  line(text, "total_connections_received", store.connections_accepted());
  line(text, "total_commands_processed", store.commands_processed);
  const Store::LargestTurn &largest = store.largest_turn();
  line(text, "largest_turn_keys", largest.all.keys);
  line(text, "largest_turn_bytes", largest.all.bytes);
  line(text, "largest_session_turn_keys", largest.session.keys);
  line(text, "largest_session_turn_bytes", largest.session.bytes);
  line(text, "longest_turn_us", static_cast<uint64_t>(largest.time / std::chrono::microseconds(1)));
  line(text, "waiting_long_reads", store.long_reads().waiting());
}

void info_raft(std::string &text, Store &store) {
  line(text, "store_id", store.config().id);
  line(text, "connected_stores", store.transport().connected());
  line(text, "cluster_birth", to_hex(store.engine().identity().birth.substr(0, 4)));
  for (const auto &[id, peer] : store.peers()) text.append(peer->status_text());
}

void info_keyspace(std::string &text, Store &store) {
  uint64_t recent = 0;
  for (const auto &[id, peer] : store.peers()) recent += peer->recent_keys();
  const uint64_t keys = std::max(store.engine().estimated_keys(), recent);
  if (keys == 0) return;
  // An estimate: to count takes a walk through all keys, which is what DBSIZE does.
  line(text, "db0", "keys=" + std::to_string(keys) + ",expires=0,avg_ttl=0");
}

struct Section {
  const char *name;
  const char *title;
  void (*append)(std::string &text, Store &store);
};

constexpr Section sections[] = {
    {"server", "Server", info_server},
    {"clients", "Clients",
     [](std::string &text, Store &store) {
       line(text, "connected_clients", store.clients());
       line(text, "maxclients", store.max_clients());
     }},
    {"memory", "Memory",
     [](std::string &text, Store &store) {
       line(text, "client_bytes", store.client_bytes());
       line(text, "max_client_bytes", store.config().max_client_bytes);
     }},
    {"stats", "Stats", info_stats},
    {"replication", "Replication",
     [](std::string &text, Store &store) {
       const auto leads = [](const auto &item) { return item.second->is_leader(); };
       const bool is_leader = std::any_of(store.peers().begin(), store.peers().end(), leads);
       line(text, "role", is_leader ? "master" : "slave");
     }},
    {"cluster", "Cluster", [](std::string &text, Store &) { line(text, "cluster_enabled", 1); }},
    {"raft", "Raft", info_raft},
    {"keyspace", "Keyspace", info_keyspace},
};

bool section_wanted(const Args &args, const char *name) {
  if (args.size() == 1) return true;
  for (size_t i = 1; i < args.size(); ++i) {
    const std::string wanted = to_lower(args[i]);
    if (wanted == name || wanted == "all" || wanted == "default" || wanted == "everything") {
      return true;
    }
  }
  return false;
}

}  // namespace

void run_command(LocalCommand &, const Args &args, std::string &reply) {
  const auto &commands = all_commands();
  if (args.size() == 1) {
    append_array(reply, commands.size());
    for (const CommandSpec &spec : commands) append_command_info(reply, spec);
    return;
  }
  const std::string subcommand = to_lower(args[1]);
  if (subcommand == "count" && args.size() == 2) {
    append_integer(reply, static_cast<int64_t>(commands.size()));
  } else if (subcommand == "docs") {
    append_array(reply, 0);
  } else if (subcommand == "list" && args.size() == 2) {
    append_array(reply, commands.size());
    for (const CommandSpec &spec : commands) append_bulk(reply, spec.name);
  } else if (subcommand == "info") {
    append_array(reply, args.size() - 2);
    for (size_t i = 2; i < args.size(); ++i) {
      const CommandSpec *spec = find_command(args[i]);
      if (spec == nullptr) {
        reply.append("*-1\r\n");
      } else {
        append_command_info(reply, *spec);
      }
    }
  } else {
    append_subcommand_error(reply, args);
  }
}

void run_config(LocalCommand &context, const Args &args, std::string &reply) {
  if (!equals_ignoring_case(args[1], "get") || args.size() < 3) {
    return append_subcommand_error(reply, args);
  }
  std::vector<Setting> found;
  for (Setting &setting : settings(context.store)) {
    for (size_t i = 2; i < args.size(); ++i) {
      if (!glob_match(to_lower(args[i]), setting.name)) continue;
      found.push_back(std::move(setting));
      break;
    }
  }
  append_array(reply, 2 * found.size());
  for (const Setting &setting : found) {
    append_bulk(reply, setting.name);
    append_bulk(reply, setting.value);
  }
}

void run_info(LocalCommand &context, const Args &args, std::string &reply) {
  std::string text;
  for (const Section &section : sections) {
    if (!section_wanted(args, section.name)) continue;
    if (!text.empty()) text.append("\r\n");
    text.append("# ").append(section.title).append("\r\n");
    section.append(text, context.store);
  }
  append_bulk(reply, text);
}

void run_raft_status(LocalCommand &context, const Args &, std::string &reply) {
  std::string text;
  for (const auto &[id, peer] : context.store.peers()) {
    if (!text.empty()) text.append("\r\n");
    text.append(peer->status_text());
  }
  if (text.empty()) {
    line(text, "id", context.store.config().id);
    line(text, "role", "waiting");
    for (const char *const name : {"term", "leader", "commit", "applied"}) line(text, name, 0);
  }
  append_bulk(reply, text);
}

void run_raft_transfer(LocalCommand &context, const Args &args, std::string &reply) {
  uint64_t to = 0;
  const char *const end = args[1].data() + args[1].size();
  const auto parsed = std::from_chars(args[1].data(), end, to);
  if (parsed.ec != std::errc{} || parsed.ptr != end) {
    return append_error(reply, "ERR the store's id is not a number");
  }
  for (const auto &[id, peer] : context.store.peers()) {
    const std::string error = peer->transfer_leader(to);
    if (!error.empty()) return append_error(reply, error);
  }
  append_simple(reply, "OK");
}

}  // namespace kvd
