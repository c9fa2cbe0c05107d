// SPDX-License-Identifier: Apache-2.0
#include "shared.hpp"

#include <raftcore.hpp>

void throw_error() {
  raft_config config{};
  raftcore::check(raft_config_init(&config, 1, 1));
}
