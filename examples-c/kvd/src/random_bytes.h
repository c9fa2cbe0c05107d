// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace kvd {

// Bytes that nobody can guess, from the operating system; fatal() if it gives none.
std::string random_bytes(size_t count);

std::string to_hex(std::string_view bytes);

}  // namespace kvd
