// SPDX-License-Identifier: Apache-2.0
//
// raftcore.hpp: whatever the host's methods throw, and wherever, no exception reaches the library; the
// caller hears of it, and the node goes on.

#include <functional>
#include <map>

#include "wrapper_support.hpp"

namespace {

// What is thrown, and how often yet.
struct Plan {
  std::string where;
  std::function<void()> what;
  int left = 2;
  int thrown = 0;

  void at(std::string_view callback) {
    if (callback == where && left > 0) {
      left--;
      thrown++;
      what();
    }
  }
};

const std::map<std::string, std::function<void()>> KINDS = {
    {"exception", [] { throw std::runtime_error("planted"); }},
    {"error", [] { throw raftcore::Error(RAFT_ERR_OTHER, "planted"); }},
    {"integer", [] { throw 7; }},
};

void each_kind(const std::vector<std::string> &callbacks, const std::function<void(Plan &)> &body) {
  for (const std::string &callback : callbacks) {
    for (const auto &[kind, what] : KINDS) {
      SCOPED_TRACE(callback + " throws an " + kind);
      Plan plan{callback, what};
      body(plan);
      EXPECT_GT(plan.thrown, 0) << "the callback was never called";
    }
  }
}

// Again and again until it works; each failure must be one that was planted.
template <typename Body>
auto insist(Plan &plan, raft_status expected, Body &&body) {
  for (;;) {
    const int before = plan.thrown;
    try {
      return body();
    } catch (const raftcore::Error &error) {
      EXPECT_EQ(error.status(), expected);
      if (plan.thrown == before) throw;
    }
  }
}

// ---- Storage ----------------------------------------------------------------------------------------

class FailingStorage final : public raftcore::Storage {
 public:
  FailingStorage(Plan &plan, Log &log) : plan_(plan), log_(log, raftcore::Members({1})) {}

  void initial_state(raft_hard_state &hard_state, raftcore::ConfStateSink conf_state) override {
    plan_.at("initial_state");
    log_.initial_state(hard_state, conf_state);
  }
  void entries(std::uint64_t low, std::uint64_t high, std::uint64_t max_bytes,
               raftcore::EntrySink out) override {
    plan_.at("entries");
    log_.entries(low, high, max_bytes, out);
  }
  std::uint64_t term(std::uint64_t index) override {
    plan_.at("term");
    return log_.term(index);
  }
  std::uint64_t first_index() override {
    plan_.at("first_index");
    return log_.first_index();
  }
  std::uint64_t last_index() override {
    plan_.at("last_index");
    return log_.last_index();
  }
  void snapshot(raftcore::SnapshotSink out) override {
    plan_.at("snapshot");
    log_.snapshot(out);
  }

 private:
  Plan &plan_;
  LogStorage log_;
};

// A node that leads itself, is started anew with all to be applied again, and is asked for a snapshot by a
// member that has nothing.
void use_storage(Plan &plan) {
  Log log;
  Machine machine(log);
  const auto started = [&] {
    raft_config config = raftcore::config(1);
    config.applied = 1;
    config.log_cache_bytes = 1;
    return raftcore::Node(config, std::make_unique<FailingStorage>(plan, log));
  };
  const auto insisted = [&](const auto &body) { return insist(plan, RAFT_ERR_STORAGE, body); };
  const auto driven = [&](raftcore::Node &node) {
    while (insisted([&] { return node.drive(machine); })) {
    }
  };
  {
    raftcore::Node first = insisted(started);
    insisted([&] { first.campaign(); });
    driven(first);
    insisted([&] { first.propose("kept"); });
    driven(first);
  }
  raftcore::Node node = insisted(started);
  machine.applied.clear();
  driven(node);
  EXPECT_EQ(machine.applied, (std::vector<std::string>{"", "kept"}));
  insisted([&] { node.campaign(); });
  driven(node);
  insisted([&] { node.propose_conf_change({{RAFT_CONF_ADD_LEARNER, 2}}); });
  driven(node);
  raft_message_fields refusal{};
  refusal.struct_size = sizeof refusal;
  refusal.type = RAFT_MESSAGE_APPEND_REPLY;
  refusal.from = 2;
  refusal.to = 1;
  refusal.term = node.hard_state().term;
  refusal.reject = true;
  refusal.index = log.entries.back().entry.index - 1;
  for (int again = 0; again < 3; again++) {
    insisted([&] { node.step(raftcore::encode(refusal)); });
    driven(node);
  }
  // A failure that only delays one member fails no call. (Nor does it that this log's snapshot does not have
  // the new member in it, which the node notices.)
  const raft_status noted = insisted([&] { return node.take_storage_error(); });
  const bool planted = noted == RAFT_ERR_IO || noted == RAFT_ERR_OTHER;
  EXPECT_EQ(planted, plan.where == "snapshot");
}

TEST(WrapperThrow, OutOfAStorage) {
  each_kind({"initial_state", "entries", "term", "first_index", "last_index", "snapshot"}, use_storage);
}

// ---- Host -------------------------------------------------------------------------------------------

using Nodes = std::map<std::uint64_t, raftcore::Node>;

class FailingHost final : public raftcore::Host {
 public:
  FailingHost(Plan &plan, Nodes &nodes, std::uint64_t id) : plan_(plan), nodes_(nodes), id_(id) {}

  void persist(const raft_persist &) override { plan_.at("persist"); }
  void send(raftcore::Span<raft_message> messages) override {
    plan_.at("send");
    for (const raft_message &message : messages) {
      nodes_.at(message.to).step(raftcore::view(message.bytes));
    }
  }
  void apply(raftcore::Span<raft_entry> entries) override {
    plan_.at("apply");
    for (const raft_entry &entry : entries) state += raftcore::view(entry.data);
  }
  void apply_snapshot(const raft_snapshot &snapshot) override {
    plan_.at("apply_snapshot");
    state = raftcore::view(snapshot.data);
  }
  // The first member makes a snapshot that has the second one in it.
  void apply_conf_change(const raft_entry &entry, const raft_conf_state &, std::string_view) override {
    plan_.at("apply_conf_change");
    changed_at = entry.index;
  }
  void read(raftcore::Span<raft_read_state> states) override {
    plan_.at("read");
    reads += states.size();
  }
  void state_changed(const raft_soft_state &, std::uint64_t) override { plan_.at("state_changed"); }
  void send_snapshot(const raft_snapshot_message &message) override {
    plan_.at("send_snapshot");
    const auto shared = raftcore::Snapshot::share(message.snapshot);
    const std::string data(raftcore::view(shared.view().data));
    nodes_.at(message.to).step_snapshot(raftcore::view(message.message), data);
    nodes_.at(id_).report_snapshot(message.to, true);
  }

  std::string state;
  std::uint64_t changed_at = 0;
  std::size_t reads = 0;

 private:
  Plan &plan_;
  Nodes &nodes_;
  std::uint64_t id_;
};

// What drive() lets out is what was thrown.
bool drive(Plan &plan, raftcore::Node &node, FailingHost &host) {
  const int before = plan.thrown;
  try {
    return node.drive(host);
  } catch (const raftcore::Error &error) {
    EXPECT_EQ(error.status(), RAFT_ERR_OTHER);
  } catch (const std::runtime_error &error) {
    EXPECT_STREQ(error.what(), "planted");
  } catch (const int &number) {
    EXPECT_EQ(number, 7);
  }
  EXPECT_EQ(plan.thrown, before + 1);
  return true;
}

// A group of one grows to two; the second member is sent a snapshot, whose data is lent.
void use_host(Plan &plan) {
  Nodes nodes;
  const raftcore::Members alone({1});
  for (const std::uint64_t id : {1, 2}) {
    raft_config config = raftcore::config(id);
    config.lend_snapshots = true;
    nodes.emplace(id, raftcore::Node::in_memory(config, id == 1 ? &alone : nullptr));
  }
  FailingHost first(plan, nodes, 1);
  FailingHost second(plan, nodes, 2);
  const auto settle = [&] {
    while (drive(plan, nodes.at(1), first) || drive(plan, nodes.at(2), second)) {
    }
  };
  raftcore::Node &leader = nodes.at(1);
  leader.campaign();
  settle();
  leader.propose("state");
  settle();
  leader.propose_conf_change({{RAFT_CONF_ADD_LEARNER, 2}});
  while (first.changed_at == 0) drive(plan, leader, first);
  leader.memory_snapshot(first.changed_at, first.state);
  leader.memory_compact(first.changed_at);
  leader.tick(3);
  settle();
  leader.read_index("token");
  settle();
  EXPECT_EQ(first.reads, 1u);
  EXPECT_EQ(first.state, "state");
  EXPECT_EQ(second.state, "state");
}

TEST(WrapperThrow, OutOfAHost) {
  each_kind({"persist", "send", "apply", "apply_snapshot", "apply_conf_change", "read", "state_changed",
             "send_snapshot"},
            use_host);
}

// ---- Observer ---------------------------------------------------------------------------------------

class Listener final : public raftcore::Observer {
 public:
  Listener(Plan &plan, std::vector<std::string> &lines, bool &gone)
      : plan_(plan), lines_(lines), gone_(gone) {}
  ~Listener() override { gone_ = true; }
  void log(std::int32_t, std::string_view text) override {
    lines_.emplace_back(text);
    plan_.at("log");
  }
  void trace(std::string_view json) override {
    lines_.emplace_back(json);
    plan_.at("trace");
  }
  bool traces() const override { return true; }

 private:
  Plan &plan_;
  std::vector<std::string> &lines_;
  bool &gone_;
};

TEST(WrapperThrow, OutOfAnObserver) {
  each_kind({"log", "trace"}, [](Plan &plan) {
    std::vector<std::string> lines;
    bool gone = false;
    const raftcore::Members members({1});
    raftcore::Node node = raftcore::Node::in_memory(raftcore::config(1), &members);
    node.set_observer(std::make_unique<Listener>(plan, lines, gone), RAFT_LOG_DEBUG);
    node.campaign();
    while (node.process([](const raftcore::Ready &) {})) {
    }
    EXPECT_EQ(node.soft_state().role, RAFT_ROLE_LEADER);
    EXPECT_FALSE(lines.empty());
    EXPECT_FALSE(gone);
    node.set_observer(nullptr);
    EXPECT_TRUE(gone);
  });
}

// ---- A storage that is tried ------------------------------------------------------------------------

// Everything throws, in one callback.
class HopelessStorage final : public raftcore::CheckedStorage {
 public:
  explicit HopelessStorage(Plan &plan) : plan_(plan) {}

  void initial_state(raft_hard_state &, raftcore::ConfStateSink) override { plan_.at("initial_state"); }
  void entries(std::uint64_t, std::uint64_t, std::uint64_t, raftcore::EntrySink) override {}
  std::uint64_t term(std::uint64_t) override { return 0; }
  std::uint64_t first_index() override { return 1; }
  std::uint64_t last_index() override { return 0; }
  void snapshot(raftcore::SnapshotSink) override { throw raftcore::Error(RAFT_ERR_SNAPSHOT_UNAVAILABLE); }
  void reset() override { plan_.at("reset"); }
  void persist(const raft_persist &) override { plan_.at("persist"); }
  void compact(std::uint64_t) override { plan_.at("compact"); }
  bool reopen(std::int32_t) override {
    plan_.at("reopen");
    return true;
  }
  bool set_failing(bool) override {
    plan_.at("set_failing");
    return true;
  }

 private:
  Plan &plan_;
};

TEST(WrapperThrow, OutOfAStorageThatIsTried) {
  each_kind({"initial_state", "reset", "persist", "compact", "reopen", "set_failing"}, [](Plan &plan) {
    plan.left = 1000;
    HopelessStorage storage(plan);
    bool broken = false;
    for (const raftcore::Finding &finding : raftcore::check_storage(storage)) {
      broken = broken || finding.outcome == RAFT_RULE_BROKEN;
    }
    EXPECT_TRUE(broken);
  });
}

}  // namespace
