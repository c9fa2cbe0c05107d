// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace kvd {

constexpr const char *kvd_version = "0.1.0";
// What clients are told who decide by it which commands there are.
constexpr const char *compatible_redis_version = "7.0.0";

// kvd's version and those of the libraries that it was built with.
std::string version_text();

}  // namespace kvd
