// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "local_commands.h"
#include "resp.h"
#include "version.h"

namespace kvd {
namespace {

bool valid_client_name(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '!' && c <= '~'; });
}

void set_client_name(ClientInfo &client, std::string_view name, std::string &reply) {
  if (!valid_client_name(name)) {
    append_error(reply, "ERR Client names cannot contain spaces, newlines or special characters.");
    return;
  }
  client.name.assign(name);
  append_simple(reply, "OK");
}

// The options of HELLO after the version; an error reply or "".
std::string apply_hello_options(ClientInfo &client, const Args &args) {
  for (size_t i = 2; i < args.size();) {
    if (equals_ignoring_case(args[i], "auth") && i + 2 < args.size()) {
      return "ERR there are no users and no passwords here: AUTH is not supported";
    }
    if (!equals_ignoring_case(args[i], "setname") || i + 1 >= args.size()) {
      return "ERR Syntax error in HELLO option '" + std::string(args[i]) + "'";
    }
    std::string name_reply;
    set_client_name(client, args[i + 1], name_reply);
    if (name_reply[0] == '-') return name_reply.substr(1, name_reply.size() - 3);
    i += 2;
  }
  return "";
}

}  // namespace

void append_subcommand_error(std::string &reply, const Args &args) {
  append_error(reply, "ERR unknown subcommand or wrong number of arguments for '" +
                          std::string(args[1].substr(0, 128)) + "'. Try " + to_lower(args[0]) +
                          " in the documentation of kvd.");
}

void run_ping(LocalCommand &, const Args &args, std::string &reply) {
  if (args.size() > 2) {
    append_error(reply, "ERR wrong number of arguments for 'ping' command");
  } else if (args.size() == 2) {
    append_bulk(reply, args[1]);
  } else {
    append_simple(reply, "PONG");
  }
}

void run_echo(LocalCommand &, const Args &args, std::string &reply) { append_bulk(reply, args[1]); }

void run_hello(LocalCommand &context, const Args &args, std::string &reply) {
  if (args.size() > 1 && args[1] != "2") {
    append_error(reply, "NOPROTO unsupported protocol version");
    return;
  }
  const std::string error = apply_hello_options(context.client, args);
  if (!error.empty()) return append_error(reply, error);
  append_array(reply, 14);
  append_bulk(reply, "server");
  append_bulk(reply, "redis");
  append_bulk(reply, "version");
  append_bulk(reply, compatible_redis_version);
  append_bulk(reply, "proto");
  append_integer(reply, 2);
  append_bulk(reply, "id");
  append_integer(reply, static_cast<int64_t>(context.client.id));
  append_bulk(reply, "mode");
  append_bulk(reply, "cluster");
  append_bulk(reply, "role");
  append_bulk(reply, "master");
  append_bulk(reply, "modules");
  append_array(reply, 0);
}

void run_client(LocalCommand &context, const Args &args, std::string &reply) {
  const std::string subcommand = to_lower(args[1]);
  ClientInfo &client = context.client;
  if (subcommand == "setname" && args.size() == 3) {
    set_client_name(client, args[2], reply);
  } else if (subcommand == "getname" && args.size() == 2) {
    client.name.empty() ? append_null(reply) : append_bulk(reply, client.name);
  } else if (subcommand == "id" && args.size() == 2) {
    append_integer(reply, static_cast<int64_t>(client.id));
  } else if (subcommand == "setinfo" && args.size() == 4) {
    append_simple(reply, "OK");
  } else {
    append_subcommand_error(reply, args);
  }
}

void run_select(LocalCommand &, const Args &args, std::string &reply) {
  if (args[1] == "0") {
    append_simple(reply, "OK");
  } else {
    append_error(reply, "ERR SELECT is not allowed in cluster mode");
  }
}

void run_quit(LocalCommand &context, const Args &, std::string &reply) {
  context.client.quits = true;
  append_simple(reply, "OK");
}

void run_readonly(LocalCommand &context, const Args &, std::string &reply) {
  context.client.reads_anywhere = true;
  append_simple(reply, "OK");
}

void run_readwrite(LocalCommand &context, const Args &, std::string &reply) {
  context.client.reads_anywhere = false;
  append_simple(reply, "OK");
}

}  // namespace kvd
