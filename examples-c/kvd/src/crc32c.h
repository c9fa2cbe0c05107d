// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), as in iSCSI, ext4 and RocksDB.
#pragma once

#include <cstdint>
#include <string_view>

namespace kvd {

// crc32c("123456789") == 0xe3069283
uint32_t crc32c(std::string_view bytes);

}  // namespace kvd
