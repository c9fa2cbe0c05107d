// SPDX-License-Identifier: Apache-2.0
#include "version.h"

#include <raftcore.h>
#include <rocksdb/version.h>

namespace kvd {

std::string version_text() {
  return std::string("kvd ") + kvd_version + " (raftcore " + raft_version() + ", RocksDB " +
         std::to_string(ROCKSDB_MAJOR) + "." + std::to_string(ROCKSDB_MINOR) + "." +
         std::to_string(ROCKSDB_PATCH) + ")";
}

}  // namespace kvd
