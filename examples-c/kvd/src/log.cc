// SPDX-License-Identifier: Apache-2.0
#include "log.h"

#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace kvd {
namespace {

constexpr std::array<const char *, 4> level_names = {"debug", "info", "warn", "error"};

LogLevel log_threshold = LogLevel::info;
uint64_t log_store = 0;

void write_line(const char *level, const char *format, va_list arguments) {
  std::array<char, 2048> line;
  timeval now{};
  gettimeofday(&now, nullptr);
  tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  size_t used = strftime(line.data(), line.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  used += static_cast<size_t>(snprintf(line.data() + used, line.size() - used,
                                       ".%03dZ %-5s store %" PRIu64 " ",
                                       static_cast<int>(now.tv_usec / 1000), level, log_store));
  const int text = vsnprintf(line.data() + used, line.size() - used - 1, format, arguments);
  used = std::min(used + static_cast<size_t>(std::max(text, 0)), line.size() - 2);
  line[used++] = '\n';
  // A log that cannot be written must not stop the store.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), used);
}

}  // namespace

std::optional<LogLevel> parse_log_level(std::string_view name) {
  for (size_t i = 0; i < level_names.size(); ++i) {
    if (name == level_names[i]) return static_cast<LogLevel>(i);
  }
  return std::nullopt;
}

void log_init(LogLevel threshold, uint64_t store_id) {
  log_threshold = threshold;
  log_store = store_id;
}

bool log_enabled(LogLevel level) { return level >= log_threshold; }

void log_at(LogLevel level, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  write_line(level_names[static_cast<size_t>(level)], format, arguments);
  va_end(arguments);
}

void fatal(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  write_line("fatal", format, arguments);
  va_end(arguments);
  std::_Exit(1);
}

}  // namespace kvd
