// SPDX-License-Identifier: Apache-2.0
#include "glob.h"

#include <algorithm>
#include <cstddef>

namespace kvd {
namespace {

// Whether `c` is in the class that starts behind '[' at pattern[at]; `at` moves behind its ']' (or
// to the end: an open class ends with the pattern).
bool class_matches(std::string_view pattern, size_t &at, char c) {
  bool negated = false;
  bool found = false;
  if (at < pattern.size() && pattern[at] == '^') {
    negated = true;
    ++at;
  }
  while (at < pattern.size() && pattern[at] != ']') {
    if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
    auto low = static_cast<unsigned char>(pattern[at]);
    auto high = low;
    if (at + 2 < pattern.size() && pattern[at + 1] == '-') {
      high = static_cast<unsigned char>(pattern[at + 2]);
      at += 2;
    }
    if (low > high) std::swap(low, high);
    const auto byte = static_cast<unsigned char>(c);
    if (low <= byte && byte <= high) found = true;
    ++at;
  }
  if (at < pattern.size()) ++at;
  return found != negated;
}

// Whether the one-character element at pattern[at] matches `c`; `at` moves behind the element.
bool element_matches(std::string_view pattern, size_t &at, char c) {
  switch (pattern[at]) {
    case '?': ++at; return true;
    case '[': ++at; return class_matches(pattern, at, c);
    case '\\':
      if (at + 1 < pattern.size()) ++at;
      [[fallthrough]];
    default: return pattern[at++] == c;
  }
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text) {
  constexpr size_t none = std::string_view::npos;
  size_t p = 0;
  size_t t = 0;
  // Only the last star needs to be reconsidered: what an earlier one took is settled by then.
  size_t star_pattern = none;
  size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star_pattern = ++p;
      star_text = t;
      continue;
    }
    if (p < pattern.size() && element_matches(pattern, p, text[t])) {
      ++t;
      continue;
    }
    if (star_pattern == none) return false;
    p = star_pattern;
    t = ++star_text;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace kvd
