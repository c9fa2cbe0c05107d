// SPDX-License-Identifier: Apache-2.0
// Glob patterns as KEYS and SCAN MATCH take them: * ? [abc] [^a] [a-z] and \ before a literal.
#pragma once

#include <string_view>

namespace kvd {

// Takes time proportional to the product of the lengths at worst, whatever the pattern.
bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace kvd
