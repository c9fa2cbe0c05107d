// SPDX-License-Identifier: Apache-2.0
//
// What the tests of raftcore.hpp share: a log, and a host that stores into it.
#ifndef WRAPPER_SUPPORT_HPP
#define WRAPPER_SUPPORT_HPP

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "raftcore.hpp"

template <typename Body>
raft_status status_of(Body &&body) {
  try {
    body();
    return RAFT_OK;
  } catch (const raftcore::Error &error) {
    EXPECT_TRUE(error.what()[0] != '\0');
    return error.status();
  }
}

struct Logged {
  raft_entry entry;
  std::string data;
};

// A log in memory, behind a snapshot at index 1.
struct Log {
  raft_hard_state hard_state{1, 0, 1};
  std::deque<Logged> entries;
  bool broken = false;
  bool gone = false;
};

class LogStorage final : public raftcore::Storage {
 public:
  LogStorage(Log &log, raftcore::Members members) : log_(log), members_(std::move(members)) {}
  ~LogStorage() override { log_.gone = true; }

  void initial_state(raft_hard_state &hard_state, raftcore::ConfStateSink conf_state) override {
    hard_state = log_.hard_state;
    conf_state.set(members_.view());
  }
  void entries(std::uint64_t low, std::uint64_t high, std::uint64_t,
               raftcore::EntrySink out) override {
    work();
    if (low < 2) throw raftcore::Error(RAFT_ERR_COMPACTED);
    if (high > last_index() + 1) throw raftcore::Error(RAFT_ERR_UNAVAILABLE);
    for (std::uint64_t index = low; index < high; index++) {
      if (!out.push(log_.entries[index - 2].entry)) break;
    }
  }
  std::uint64_t term(std::uint64_t index) override {
    work();
    if (index < 1) throw raftcore::Error(RAFT_ERR_COMPACTED);
    if (index > last_index()) throw raftcore::Error(RAFT_ERR_UNAVAILABLE);
    return index == 1 ? 1 : log_.entries[index - 2].entry.term;
  }
  std::uint64_t first_index() override {
    work();
    return 2;
  }
  std::uint64_t last_index() override { return 1 + log_.entries.size(); }
  void snapshot(raftcore::SnapshotSink out) override {
    raft_snapshot snapshot{};
    snapshot.term = 1;
    snapshot.index = 1;
    snapshot.conf_state = members_.view();
    out.set(snapshot);
  }

 private:
  void work() const {
    if (log_.broken) throw std::runtime_error("the disk is on fire");
  }
  Log &log_;
  raftcore::Members members_;
};

class Machine final : public raftcore::Host {
 public:
  explicit Machine(Log &log) : log_(log) {}

  void persist(const raft_persist &what) override {
    if (what.hard_state != nullptr) log_.hard_state = *what.hard_state;
    for (const raft_entry &entry : raftcore::Span<raft_entry>(what.entries, what.entries_len)) {
      log_.entries.resize(entry.index - 2);
      log_.entries.push_back({entry, std::string(raftcore::view(entry.data))});
      Logged &logged = log_.entries.back();
      logged.entry.data = raftcore::slice(logged.data);
    }
  }
  void send(raftcore::Span<raft_message> messages) override { sent += messages.size(); }
  void apply(raftcore::Span<raft_entry> entries) override {
    if (fail) {
      fail = false;
      throw std::out_of_range("not now");
    }
    for (const raft_entry &entry : entries) applied.emplace_back(raftcore::view(entry.data));
  }
  void state_changed(const raft_soft_state &state, std::uint64_t) override { role = state.role; }
  void read(raftcore::Span<raft_read_state> states) override {
    for (const raft_read_state &state : states) reads.emplace_back(raftcore::view(state.context));
  }

  std::vector<std::string> applied;
  std::vector<std::string> reads;
  std::size_t sent = 0;
  std::int32_t role = -1;
  bool fail = false;

 private:
  Log &log_;
};

inline raftcore::Node host_node(Log &log) {
  const raftcore::Members members({1});
  return raftcore::Node(raftcore::config(1), std::make_unique<LogStorage>(log, members));
}

// A leader that is alone, its log in memory.
inline raftcore::Node lone_leader(raft_config config = raftcore::config(1)) {
  const raftcore::Members members({1});
  raftcore::Node node = raftcore::Node::in_memory(config, &members);
  node.campaign();
  while (node.process([](const raftcore::Ready &) {})) {
  }
  return node;
}

#endif
