// SPDX-License-Identifier: Apache-2.0
#include "log.h"

#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cinttypes>
#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace kvd {
namespace {

constexpr std::array<const char *, 4> level_names = {"debug", "info", "warn", "error"};
constexpr auto last_words = std::chrono::seconds(1);

LogLevel log_threshold = LogLevel::info;
uint64_t log_store = 0;

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
    if (written <= 0) return;  // a log that cannot be written must not stop the store
    text.remove_prefix(static_cast<size_t>(written));
  }
}

std::string format_line(const char *level, const char *format, va_list arguments) {
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
  return std::string(line.data(), used);
}

std::string formatted(const char *level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
std::string formatted(const char *level, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::string line = format_line(level, format, arguments);
  va_end(arguments);
  return line;
}

// Lines on their way to stderr, which may be a pipe that nobody reads: a thread waits for it.
class LineQueue {
 public:
  LineQueue() {
    std::thread([this] { run(); }).detach();
  }

  void push(std::string_view line) {
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.size() + line.size() > max_bytes) {
        ++dropped_;
        return;
      }
      waiting_.append(line);
    }
    changed_.notify_all();
  }

  // Waits until everything is written, but not for long.
  void drain() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, last_words, [this] { return waiting_.empty() && !writing_; });
  }

 private:
  static constexpr size_t max_bytes = 1 << 20;

  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return !waiting_.empty(); });
      std::string lines = std::exchange(waiting_, {});
      if (const uint64_t dropped = std::exchange(dropped_, 0); dropped > 0) {
        lines += formatted("warn", "%" PRIu64 " lines were dropped: nobody took them", dropped);
      }
      writing_ = true;
      lock.unlock();
      write_all(lines);
      lock.lock();
      writing_ = false;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string waiting_;
  uint64_t dropped_ = 0;
  bool writing_ = false;
};

// Made by log_init(), never destroyed. Before that, lines are written by who logs them.
LineQueue *queue = nullptr;

void emit(const std::string &line) { queue == nullptr ? write_all(line) : queue->push(line); }

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
  queue = new LineQueue;
}

void log_end() {
  if (queue != nullptr) queue->drain();
}

bool log_enabled(LogLevel level) { return level >= log_threshold; }

void log_at(LogLevel level, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  emit(format_line(level_names[static_cast<size_t>(level)], format, arguments));
  va_end(arguments);
}

void fatal(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  emit(format_line("fatal", format, arguments));
  va_end(arguments);
  log_end();
  std::_Exit(1);
}

}  // namespace kvd
