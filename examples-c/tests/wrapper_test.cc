// SPDX-License-Identifier: Apache-2.0
//
// raftcore.hpp: owners, views and exceptions do what they say.

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <optional>

#include "raftcore.hpp"

namespace {

#define CHECK(condition)                                                             \
  do {                                                                               \
    if (!(condition)) {                                                              \
      std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                                  \
    }                                                                                \
  } while (0)

template <typename Body>
raft_status status_of(Body &&body) {
  try {
    body();
    return RAFT_OK;
  } catch (const raftcore::Error &error) {
    CHECK(error.what()[0] != '\0');
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

raftcore::Node host_node(Log &log) {
  const raftcore::Members members({1});
  return raftcore::Node(raftcore::config(1), std::make_unique<LogStorage>(log, members));
}

void a_node_is_driven_through_virtual_functions() {
  Log log;
  {
    raftcore::Node node = host_node(log);
    Machine machine(log);
    node.campaign();
    while (node.drive(machine)) {
    }
    CHECK(machine.role == RAFT_ROLE_LEADER && node.status().role == RAFT_ROLE_LEADER);
    const raft_entry_id placed = node.propose("one");
    CHECK(node.propose_owned(std::string("two")).index == placed.index + 1);
    CHECK(node.propose_owned(std::vector<unsigned char>{'3'}).index == placed.index + 2);
    node.read_index("token");
    while (node.drive(machine)) {
    }
    CHECK((machine.applied == std::vector<std::string>{"", "one", "two", "3"}));
    CHECK(machine.reads == std::vector<std::string>{"token"});
    CHECK(log.entries.back().data == "3");
    CHECK(node.members().voters == std::vector<std::uint64_t>{1});
    CHECK(node.progress().size() == 1 && node.progress()[0].matched == placed.index + 2);
    CHECK(node.status_json().find("\"role\":\"leader\"") != std::string::npos);
    CHECK(!log.gone);
  }
  CHECK(log.gone);
}

void exceptions_of_the_host_come_out_of_drive() {
  Log log;
  raftcore::Node node = host_node(log);
  Machine machine(log);
  node.campaign();
  while (node.drive(machine)) {
  }
  node.propose("once");
  machine.fail = true;
  bool thrown = false;
  try {
    while (node.drive(machine)) {
    }
  } catch (const std::out_of_range &error) {
    thrown = std::string(error.what()) == "not now";
  }
  CHECK(thrown);
  while (node.drive(machine)) {
  }
  CHECK((machine.applied == std::vector<std::string>{"", "once"}));
}

void exceptions_of_the_storage_become_errors() {
  Log log;
  raftcore::Node node = host_node(log);
  log.broken = true;
  CHECK(status_of([&] { node.status(); }) == RAFT_ERR_STORAGE);
  log.broken = false;
  CHECK(status_of([&] { node.status(); }) == RAFT_OK);
}

void a_ready_that_is_not_advanced_comes_again() {
  const raftcore::Members members({1});
  raftcore::Node node = raftcore::Node::in_memory(raftcore::config(1), &members);
  node.campaign();
  while (node.process([](const raftcore::Ready &) {})) {
  }
  const raft_entry_id placed = node.propose("again");
  try {
    node.process([](const raftcore::Ready &) { throw std::runtime_error("interrupted"); });
    CHECK(false);
  } catch (const std::runtime_error &) {
  }
  std::optional<std::string> seen;
  raftcore::Ready ready = node.ready();
  CHECK(ready && ready.entries().size() == 1 && ready.must_sync());
  CHECK(ready.entries()[0].index == placed.index);
  seen = raftcore::view(ready.entries().front().data);
  ready.advance();
  CHECK(!ready && seen == "again");
  // A Ready may outlive its node.
  node.propose("left behind");
  raftcore::Ready left = node.ready();
  { const raftcore::Node gone = std::move(node); }
  CHECK(raftcore::view(left.entries().back().data) == "left behind");
}

void errors_have_a_status_and_words() {
  raft_config config = raftcore::config(1);
  config.id = 0;
  CHECK(status_of([&] { raftcore::Node::in_memory(config); }) == RAFT_ERR_CONFIG);
  raftcore::Node joining = raftcore::Node::in_memory(raftcore::config(1));
  CHECK(status_of([&] { joining.propose("x"); }) == RAFT_ERR_PROPOSAL_DROPPED);
  CHECK(status_of([&] { joining.propose_owned(std::string("x")); }) == RAFT_ERR_PROPOSAL_DROPPED);
  CHECK(status_of([&] { joining.step("nonsense"); }) == RAFT_ERR_DECODE);
  CHECK(status_of([&] { joining.transfer_leader(2); }) == RAFT_ERR_NO_LEADER);
}

// Three nodes in memory, their Ready taken apart.
void three_nodes_replicate() {
  const raftcore::Members members({1, 2, 3});
  std::map<std::uint64_t, raftcore::Node> nodes;
  std::map<std::uint64_t, std::vector<std::string>> applied;
  std::deque<std::pair<std::uint64_t, std::string>> network;
  for (const std::uint64_t id : members.voters) {
    nodes.emplace(id, raftcore::Node::in_memory(raftcore::config(id), &members));
  }
  const auto settle = [&] {
    bool busy = true;
    while (busy) {
      busy = false;
      for (auto &[id, node] : nodes) {
        busy |= node.process([&, id = id](const raftcore::Ready &ready) {
          for (const raft_message &message : ready.messages()) {
            network.emplace_back(message.to, raftcore::view(message.bytes));
          }
          for (const raft_entry &entry : ready.committed_entries()) {
            applied[id].emplace_back(raftcore::view(entry.data));
          }
        });
      }
      for (; !network.empty(); network.pop_front()) {
        nodes.at(network.front().first).step(network.front().second);
        busy = true;
      }
    }
  };
  nodes.at(2).campaign();
  settle();
  nodes.at(2).propose("agreed");
  settle();
  for (const std::uint64_t id : members.voters) {
    CHECK((applied[id] == std::vector<std::string>{"", "agreed"}));
  }
}

}  // namespace

int main() {
  a_node_is_driven_through_virtual_functions();
  exceptions_of_the_host_come_out_of_drive();
  exceptions_of_the_storage_become_errors();
  a_ready_that_is_not_advanced_comes_again();
  errors_have_a_status_and_words();
  three_nodes_replicate();
  return 0;
}
