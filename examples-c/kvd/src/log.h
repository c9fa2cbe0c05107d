// SPDX-License-Identifier: Apache-2.0
// Log lines on stderr: time, level, store, text. Written by the loop thread and by the storage
// thread; a line is one write, so lines do not mix.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace kvd {

enum class LogLevel { debug, info, warn, error };

// "debug", "info", "warn" or "error".
std::optional<LogLevel> parse_log_level(std::string_view name);

// What is logged from now on, and the store that signs the lines. Call once, before threads start.
void log_init(LogLevel threshold, uint64_t store_id);

bool log_enabled(LogLevel level);

void log_at(LogLevel level, const char *format, ...) __attribute__((format(printf, 2, 3)));

// For what the process cannot go on after: a failing disk, a log that contradicts itself. Logs and
// ends the process at once with exit code 1, without running destructors: nothing more is answered.
[[noreturn]] void fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace kvd

#define KVD_LOG(level, ...)                               \
  do {                                                    \
    if (::kvd::log_enabled(::kvd::LogLevel::level))       \
      ::kvd::log_at(::kvd::LogLevel::level, __VA_ARGS__); \
  } while (false)
