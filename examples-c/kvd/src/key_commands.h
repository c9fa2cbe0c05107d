// SPDX-License-Identifier: Apache-2.0
// Commands on keys: from the words of a client to an encoded read or write. Each checks the words
// that are its own; arity and keys were checked before (command.h, check_arguments).
#pragma once

#include <string>

#include "command.h"

namespace kvd {

std::string encode_get_command(const Args &args, const CommandLimits &limits, std::string &out);
std::string encode_mget_command(const Args &args, const CommandLimits &limits, std::string &out);
std::string encode_exists_command(const Args &args, const CommandLimits &limits, std::string &out);
std::string encode_strlen_command(const Args &args, const CommandLimits &limits, std::string &out);
std::string encode_dbsize_command(const Args &args, const CommandLimits &limits, std::string &out);
std::string encode_keys_command(const Args &args, const CommandLimits &limits, std::string &out);
std::string encode_scan_command(const Args &args, const CommandLimits &limits, std::string &out);

std::string encode_set_command(const Args &args, const CommandLimits &limits, std::string &out);
std::string encode_del_command(const Args &args, const CommandLimits &limits, std::string &out);
std::string encode_mset_command(const Args &args, const CommandLimits &limits, std::string &out);
std::string encode_incr_command(const Args &args, const CommandLimits &limits, std::string &out);
std::string encode_decr_command(const Args &args, const CommandLimits &limits, std::string &out);
std::string encode_incrby_command(const Args &args, const CommandLimits &limits, std::string &out);
std::string encode_decrby_command(const Args &args, const CommandLimits &limits, std::string &out);
std::string encode_append_command(const Args &args, const CommandLimits &limits, std::string &out);
std::string encode_flush_command(const Args &args, const CommandLimits &limits, std::string &out);

}  // namespace kvd
