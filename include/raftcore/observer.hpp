// SPDX-License-Identifier: Apache-2.0
#ifndef RAFTCORE_OBSERVER_HPP
#define RAFTCORE_OBSERVER_HPP

#include <cstdint>
#include <string_view>

#include "detail.hpp"

namespace raftcore {

/// Gets what a node says and does: raft_observer in raftcore.h. Exceptions are swallowed.
class Observer {
 public:
  virtual ~Observer() = default;
  /// Words for people; `level` is a RAFT_LOG_ constant.
  virtual void log(std::int32_t level, std::string_view text) {
    static_cast<void>(level);
    static_cast<void>(text);
  }
  /// One JSON object for each thing that happens, in the format that trace_format() says. Called only if
  /// traces() says so.
  virtual void trace(std::string_view json) { static_cast<void>(json); }
  /// Asked once, when the observer is set.
  virtual bool traces() const { return false; }
  /// Asked once, when the observer is set: a RAFT_TRACE_ constant.
  virtual std::int32_t trace_format() const { return RAFT_TRACE_RAFTCORE; }
};

namespace detail {

// The callbacks of raft_observer, by way of an Observer. They own it by `release`.
inline raft_observer observer_table(Observer *context, bool traces, std::int32_t log_level) noexcept {
  raft_observer table{};
  table.struct_size = sizeof table;
  table.context = context;
  table.log_level = log_level;
  table.log = [](void *self, std::int32_t level, const char *text, std::size_t len) noexcept {
    guard([&] { static_cast<Observer *>(self)->log(level, {text, len}); });
  };
  if (traces) {
    table.trace_format = context->trace_format();
    table.trace = [](void *self, const char *json, std::size_t len) noexcept {
      guard([&] { static_cast<Observer *>(self)->trace({json, len}); });
    };
  }
  table.release = [](void *self) noexcept { delete static_cast<Observer *>(self); };
  return table;
}

}  // namespace detail

}  // namespace raftcore

#endif  // RAFTCORE_OBSERVER_HPP
