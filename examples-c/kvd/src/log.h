// SPDX-License-Identifier: Apache-2.0
// Log lines on stderr: time, level, store, text. Any thread may log, and none waits for stderr: a
// thread of the log's own writes, and lines that it cannot get rid of are dropped and counted.
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
// Waits until all lines are written, for a second at most. Call once, at the end.
void log_end();

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
