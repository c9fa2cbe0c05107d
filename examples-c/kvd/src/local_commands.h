// SPDX-License-Identifier: Apache-2.0
// Commands that a store answers by itself, at once.
#pragma once

#include <cstdint>
#include <string>

#include "command.h"

namespace kvd {

class Store;

// What a connection knows of its client.
struct ClientInfo {
  uint64_t id = 0;
  std::string name;
  bool quits = false;           // close when the replies are sent
  bool reads_anywhere = false;  // READONLY: a follower may answer reads
};

struct LocalCommand {
  Store &store;
  ClientInfo &client;
};

// Each appends its reply. connection_commands.cc:
void run_ping(LocalCommand &context, const Args &args, std::string &reply);
void run_echo(LocalCommand &context, const Args &args, std::string &reply);
void run_hello(LocalCommand &context, const Args &args, std::string &reply);
void run_client(LocalCommand &context, const Args &args, std::string &reply);
void run_select(LocalCommand &context, const Args &args, std::string &reply);
void run_quit(LocalCommand &context, const Args &args, std::string &reply);
void run_readonly(LocalCommand &context, const Args &args, std::string &reply);
void run_readwrite(LocalCommand &context, const Args &args, std::string &reply);
// server_commands.cc:
void run_command(LocalCommand &context, const Args &args, std::string &reply);
void run_config(LocalCommand &context, const Args &args, std::string &reply);
void run_info(LocalCommand &context, const Args &args, std::string &reply);
void run_raft_status(LocalCommand &context, const Args &args, std::string &reply);
void run_raft_transfer(LocalCommand &context, const Args &args, std::string &reply);
// cluster_commands.cc:
void run_cluster(LocalCommand &context, const Args &args, std::string &reply);

// For a subcommand that does not exist, or has another number of arguments.
void append_subcommand_error(std::string &reply, const Args &args);

}  // namespace kvd
