// SPDX-License-Identifier: Apache-2.0
#include <raftcore.h>

#include "shared.hpp"

int main() { return catch_error() == RAFT_ERR_INVALID_ARGUMENT ? 0 : 1; }
