// SPDX-License-Identifier: Apache-2.0
// The commands that clients may send: their names, shapes and checks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvd {

using Args = std::vector<std::string_view>;

struct CommandLimits {
  uint64_t max_key_bytes = 4096;
  uint64_t max_value_bytes = 8 << 20;
};

enum class CommandKind {
  local,  // answered by this store at once
  read,   // answered by the Region's leader, after ReadIndex
  write,  // proposed to the Region's Raft group
};

struct LocalCommand;  // what a local command works with: local_commands.h

struct CommandSpec {
  std::string_view name;  // lower case
  int arity;              // number of words with the name; negative: at least that many
  CommandKind kind;
  // Where keys stand among the words: first, last (negative: from the end) and distance; 0, 0, 0:
  // none.
  int first_key;
  int last_key;
  int key_step;
  std::string_view flags;  // as COMMAND tells them, separated by spaces
  // read, write: checks the arguments and appends the encoded command (read_command.h,
  // write_command.h) to `out`. Returns the error reply, empty if there is none; then `out` is as it
  // was.
  std::string (*encode)(const Args &args, const CommandLimits &limits, std::string &out);
  // local: appends the reply.
  void (*run)(LocalCommand &context, const Args &args, std::string &reply);
};

// The command of this name in any case, or nullptr.
const CommandSpec *find_command(std::string_view name);

const std::vector<CommandSpec> &all_commands();

// The keys among the words of a command whose arity is right.
template <typename Visit>
void for_each_key_argument(const CommandSpec &spec, const Args &args, const Visit &visit) {
  if (spec.first_key == 0) return;
  const int size = static_cast<int>(args.size());
  const int last = spec.last_key < 0 ? size + spec.last_key : spec.last_key;
  for (int i = spec.first_key; i <= last && i < size; i += spec.key_step)
    visit(args[static_cast<size_t>(i)]);
}

// A command is executed as a whole, a write in one turn of the loop on every store: meanwhile no
// other client is served and no heartbeat sent. Each key of a DEL is looked up in the database.
constexpr size_t max_command_keys = 16384;

// Checks that hold for every command: arity, number and length of keys. Returns the error reply or "".
std::string check_arguments(const CommandSpec &spec, const Args &args, const CommandLimits &limits);

// The error reply for a command that does not exist.
std::string unknown_command_error(const Args &args);

// Case-insensitive comparison with a lower-case word.
bool equals_ignoring_case(std::string_view text, std::string_view lower);
std::string to_lower(std::string_view text);

}  // namespace kvd
