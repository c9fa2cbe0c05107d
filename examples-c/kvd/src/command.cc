// SPDX-License-Identifier: Apache-2.0
#include "command.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "key_commands.h"
#include "local_commands.h"

namespace kvd {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

constexpr size_t longest_name = 16;

std::vector<CommandSpec> make_commands() {
  using enum CommandKind;
  return {
      {"get", 2, read, 1, 1, 1, "readonly fast", encode_get_command, nullptr},
      {"mget", -2, read, 1, -1, 1, "readonly fast", encode_mget_command, nullptr},
      {"exists", -2, read, 1, -1, 1, "readonly fast", encode_exists_command, nullptr},
      {"strlen", 2, read, 1, 1, 1, "readonly fast", encode_strlen_command, nullptr},
      {"dbsize", 1, read, 0, 0, 0, "readonly fast", encode_dbsize_command, nullptr},
      {"keys", 2, read, 0, 0, 0, "readonly sort_for_script", encode_keys_command, nullptr},
      {"scan", -2, read, 0, 0, 0, "readonly", encode_scan_command, nullptr},
      {"set", -3, write, 1, 1, 1, "write denyoom", encode_set_command, nullptr},
      {"del", -2, write, 1, -1, 1, "write", encode_del_command, nullptr},
      {"mset", -3, write, 1, -1, 2, "write denyoom", encode_mset_command, nullptr},
      {"incr", 2, write, 1, 1, 1, "write denyoom fast", encode_incr_command, nullptr},
      {"decr", 2, write, 1, 1, 1, "write denyoom fast", encode_decr_command, nullptr},
      {"incrby", 3, write, 1, 1, 1, "write denyoom fast", encode_incrby_command, nullptr},
      {"decrby", 3, write, 1, 1, 1, "write denyoom fast", encode_decrby_command, nullptr},
      {"append", 3, write, 1, 1, 1, "write denyoom fast", encode_append_command, nullptr},
      {"flushall", -1, write, 0, 0, 0, "write", encode_flush_command, nullptr},
      {"flushdb", -1, write, 0, 0, 0, "write", encode_flush_command, nullptr},
      {"ping", -1, local, 0, 0, 0, "fast", nullptr, run_ping},
      {"echo", 2, local, 0, 0, 0, "fast", nullptr, run_echo},
      {"hello", -1, local, 0, 0, 0, "fast loading stale", nullptr, run_hello},
      {"client", -2, local, 0, 0, 0, "loading stale", nullptr, run_client},
      {"select", 2, local, 0, 0, 0, "fast loading stale", nullptr, run_select},
      {"quit", -1, local, 0, 0, 0, "fast loading stale", nullptr, run_quit},
      {"command", -1, local, 0, 0, 0, "loading stale", nullptr, run_command},
      {"config", -2, local, 0, 0, 0, "admin loading stale", nullptr, run_config},
      {"info", -1, local, 0, 0, 0, "loading stale", nullptr, run_info},
      {"readonly", 1, local, 0, 0, 0, "fast loading stale", nullptr, run_readonly},
      {"readwrite", 1, local, 0, 0, 0, "fast loading stale", nullptr, run_readwrite},
      {"cluster", -2, local, 0, 0, 0, "admin stale", nullptr, run_cluster},
      {"raft.status", 1, local, 0, 0, 0, "admin stale", nullptr, run_raft_status},
      {"raft.transfer", 2, local, 0, 0, 0, "admin stale", nullptr, run_raft_transfer},
  };
}

using Table = std::unordered_map<std::string_view, const CommandSpec *>;

Table make_table() {
  Table table;
  for (const CommandSpec &spec : all_commands()) table.emplace(spec.name, &spec);
  return table;
}

}  // namespace

const std::vector<CommandSpec> &all_commands() {
  static const std::vector<CommandSpec> commands = make_commands();
  return commands;
}

const CommandSpec *find_command(std::string_view name) {
  static const Table table = make_table();
  std::array<char, longest_name> lowered;
  if (name.size() > lowered.size()) return nullptr;
  std::transform(name.begin(), name.end(), lowered.begin(), lower);
  const auto found = table.find({lowered.data(), name.size()});
  return found == table.end() ? nullptr : found->second;
}

std::string check_arguments(const CommandSpec &spec, const Args &args,
                            const CommandLimits &limits) {
  const int size = static_cast<int>(args.size());
  if (spec.arity >= 0 ? size != spec.arity : size < -spec.arity) {
    return "ERR wrong number of arguments for '" + std::string(spec.name) + "' command";
  }
  bool too_long = false;
  size_t keys = 0;
  for_each_key_argument(spec, args, [&](std::string_view key) {
    ++keys;
    too_long = too_long || key.size() > limits.max_key_bytes;
  });
  if (keys > max_command_keys) {
    return "ERR a command has " + std::to_string(max_command_keys) + " keys at most";
  }
  if (too_long) {
    return "ERR key is longer than " + std::to_string(limits.max_key_bytes) +
           " bytes (max-key-bytes)";
  }
  return "";
}

std::string unknown_command_error(const Args &args) {
  constexpr size_t shown = 128;
  std::string error = "ERR unknown command '";
  error.append(args[0].substr(0, shown)).append("', with args beginning with: ");
  for (size_t i = 1; i < args.size() && error.size() < 2 * shown; ++i) {
    error.append("'").append(args[i].substr(0, shown)).append("' ");
  }
  return error;
}

bool equals_ignoring_case(std::string_view text, std::string_view lowered) {
  return text.size() == lowered.size() && std::equal(text.begin(), text.end(), lowered.begin(),
                                                     [](char a, char b) { return lower(a) == b; });
}

std::string to_lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

}  // namespace kvd
