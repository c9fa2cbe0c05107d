// SPDX-License-Identifier: Apache-2.0
//
// raftcore.hpp: owners, views and exceptions do what they say.

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <optional>

#include "raftcore.hpp"

namespace {

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

raftcore::Node host_node(Log &log) {
  const raftcore::Members members({1});
  return raftcore::Node(raftcore::config(1), std::make_unique<LogStorage>(log, members));
}

TEST(Wrapper, ANodeIsDrivenThroughVirtualFunctions) {
  Log log;
  {
    raftcore::Node node = host_node(log);
    Machine machine(log);
    node.campaign();
    while (node.drive(machine)) {
    }
    EXPECT_TRUE(machine.role == RAFT_ROLE_LEADER && node.status().role == RAFT_ROLE_LEADER);
    const raft_entry_id placed = node.propose("one");
    EXPECT_TRUE(node.propose_owned(std::string("two")).index == placed.index + 1);
    EXPECT_TRUE(node.propose_owned(std::vector<unsigned char>{'3'}).index == placed.index + 2);
    node.read_index("token");
    while (node.drive(machine)) {
    }
    EXPECT_TRUE((machine.applied == std::vector<std::string>{"", "one", "two", "3"}));
    EXPECT_TRUE(machine.reads == std::vector<std::string>{"token"});
    EXPECT_TRUE(log.entries.back().data == "3");
    EXPECT_TRUE(node.members().voters == std::vector<std::uint64_t>{1});
    EXPECT_TRUE(node.progress().size() == 1 && node.progress()[0].matched == placed.index + 2);
    EXPECT_TRUE(node.status_json().find("\"role\":\"leader\"") != std::string::npos);
    EXPECT_TRUE(!log.gone);
  }
  EXPECT_TRUE(log.gone);
}

TEST(Wrapper, ExceptionsOfTheHostComeOutOfDrive) {
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
  EXPECT_TRUE(thrown);
  while (node.drive(machine)) {
  }
  EXPECT_TRUE((machine.applied == std::vector<std::string>{"", "once"}));
}

TEST(Wrapper, ExceptionsOfTheStorageBecomeErrors) {
  Log log;
  raftcore::Node node = host_node(log);
  log.broken = true;
  EXPECT_TRUE(status_of([&] { node.status(); }) == RAFT_ERR_STORAGE);
  log.broken = false;
  EXPECT_TRUE(status_of([&] { node.status(); }) == RAFT_OK);
}

TEST(Wrapper, AReadyThatIsNotAdvancedComesAgain) {
  const raftcore::Members members({1});
  raftcore::Node node = raftcore::Node::in_memory(raftcore::config(1), &members);
  node.campaign();
  while (node.process([](const raftcore::Ready &) {})) {
  }
  const raft_entry_id placed = node.propose("again");
  try {
    node.process([](const raftcore::Ready &) { throw std::runtime_error("interrupted"); });
    ADD_FAILURE();
  } catch (const std::runtime_error &) {
  }
  std::optional<std::string> seen;
  raftcore::Ready ready = node.ready();
  EXPECT_TRUE(ready && ready.entries().size() == 1 && ready.must_sync());
  EXPECT_TRUE(ready.entries()[0].index == placed.index);
  seen = raftcore::view(ready.entries().front().data);
  ready.advance();
  EXPECT_TRUE(!ready && seen == "again");
  // A Ready may outlive its node.
  node.propose("left behind");
  raftcore::Ready left = node.ready();
  { const raftcore::Node gone = std::move(node); }
  EXPECT_TRUE(raftcore::view(left.entries().back().data) == "left behind");
}

TEST(Wrapper, ErrorsHaveAStatusAndWords) {
  raft_config config = raftcore::config(1);
  config.id = 0;
  EXPECT_TRUE(status_of([&] { raftcore::Node::in_memory(config); }) == RAFT_ERR_CONFIG);
  raftcore::Node joining = raftcore::Node::in_memory(raftcore::config(1));
  EXPECT_TRUE(status_of([&] { joining.propose("x"); }) == RAFT_ERR_PROPOSAL_DROPPED);
  EXPECT_TRUE(status_of([&] { joining.propose_owned(std::string("x")); }) == RAFT_ERR_PROPOSAL_DROPPED);
  EXPECT_TRUE(status_of([&] { joining.step("nonsense"); }) == RAFT_ERR_DECODE);
  EXPECT_TRUE(status_of([&] { joining.transfer_leader(2); }) == RAFT_ERR_NO_LEADER);
}

// Three nodes in memory, their Ready taken apart.
TEST(Wrapper, ThreeNodesReplicate) {
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
    EXPECT_TRUE((applied[id] == std::vector<std::string>{"", "agreed"}));
  }
}

// A log that the suite tries; one flaw on request.
class TriedStorage final : public raftcore::CheckedStorage {
 public:
  bool forgets_boundary_term = false;

  void initial_state(raft_hard_state &hard_state, raftcore::ConfStateSink conf_state) override {
    hard_state = hard_state_;
    conf_state.set(members_.view());
  }
  void entries(std::uint64_t low, std::uint64_t high, std::uint64_t,
               raftcore::EntrySink out) override {
    if (low <= compacted_.index) throw raftcore::Error(RAFT_ERR_COMPACTED);
    if (high > last_index() + 1) throw raftcore::Error(RAFT_ERR_UNAVAILABLE);
    for (; low < high && out.push(raftcore::decode_entry(at(low))); low++) {
    }
  }
  std::uint64_t term(std::uint64_t index) override {
    if (index < compacted_.index) throw raftcore::Error(RAFT_ERR_COMPACTED);
    if (index > last_index()) throw raftcore::Error(RAFT_ERR_UNAVAILABLE);
    if (index > compacted_.index) return raftcore::decode_entry(at(index)).term;
    return forgets_boundary_term && index > 1 ? 0 : compacted_.term;
  }
  std::uint64_t first_index() override { return compacted_.index + 1; }
  std::uint64_t last_index() override { return compacted_.index + log_.size(); }
  void snapshot(raftcore::SnapshotSink out) override { out.set_encoded(snapshot_); }

  void reset() override {
    log_.clear();
    hard_state_ = {};
    compacted_ = {};
    members_ = {};
    snapshot_.clear();
  }
  void persist(const raft_persist &what) override {
    if (what.snapshot != nullptr) {
      if (what.snapshot->index < compacted_.index) throw raftcore::Error(RAFT_ERR_OTHER);
      log_.clear();
      compacted_ = {what.snapshot->term, what.snapshot->index};
      members_ = raftcore::Members(what.snapshot->conf_state);
      snapshot_ = raftcore::encode(*what.snapshot);
    }
    for (const raft_entry &entry : raftcore::Span<raft_entry>(what.entries, what.entries_len)) {
      log_.resize(entry.index - first_index());
      log_.push_back(raftcore::encode(entry));
    }
    if (what.hard_state != nullptr) hard_state_ = *what.hard_state;
  }
  void compact(std::uint64_t index) override {
    const raft_entry_id until{term(index), index};
    raft_snapshot made{};
    made.term = until.term;
    made.index = until.index;
    made.conf_state = members_.view();
    if (index <= compacted_.index) return;
    snapshot_ = raftcore::encode(made);
    log_.erase(log_.begin(), log_.begin() + static_cast<std::ptrdiff_t>(index - compacted_.index));
    compacted_ = until;
  }
  bool reopen(std::int32_t how) override { return how == RAFT_REOPEN_CLOSED; }

 private:
  const std::string &at(std::uint64_t index) const { return log_[index - compacted_.index - 1]; }

  std::deque<std::string> log_;
  raft_hard_state hard_state_{};
  raft_entry_id compacted_{};
  raftcore::Members members_;
  std::string snapshot_;
};

TEST(Wrapper, AStorageIsTriedAgainstItsContract) {
  TriedStorage storage;
  std::size_t kept = 0;
  for (const raftcore::Finding &finding : raftcore::check_storage(storage)) {
    EXPECT_NE(finding.outcome, RAFT_RULE_BROKEN) << finding.rule << ": " << finding.got;
    kept += finding.outcome == RAFT_RULE_KEPT;
  }
  EXPECT_GT(kept, 38u);
  storage.forgets_boundary_term = true;
  for (const raftcore::Finding &finding : raftcore::check_storage(storage)) {
    if (finding.outcome != RAFT_RULE_BROKEN) continue;
    EXPECT_EQ(finding.rule, "compaction_boundary_term");
    EXPECT_NE(finding.expected, finding.got);
    break;
  }
}

TEST(Wrapper, EncodingsComeBackAsTheyWere) {
  const std::string payload("a\0b", 3);
  raft_entry entry{};
  entry.term = 3;
  entry.index = 7;
  entry.data = raftcore::slice(payload);
  const std::string encoded = raftcore::encode(entry);
  EXPECT_EQ(encoded.size(), raft_entry_encoded_len(&entry));
  const std::vector<raft_entry> three(3, entry);
  EXPECT_EQ(raftcore::fitting(three, 2 * encoded.size()), 2u);
  EXPECT_EQ(raftcore::view(raftcore::decode_entry(encoded).data), payload);

  const raftcore::Members members({1, 2, 3});
  EXPECT_EQ(raftcore::Members::decode(raftcore::encode(members)).voters, members.voters);
  members.validate();
  raftcore::Members wrong = members;
  wrong.learners = {1};
  EXPECT_NE(status_of([&] { wrong.validate(); }), RAFT_OK);

  raft_snapshot snapshot{};
  snapshot.index = 9;
  snapshot.conf_state = members.view();
  snapshot.data = raftcore::slice(payload);
  const raftcore::Snapshot decoded = raftcore::Snapshot::decode(raftcore::encode(snapshot));
  const raftcore::Snapshot shared = raftcore::Snapshot::share(decoded.handle());
  EXPECT_EQ(raftcore::view(shared.view().data), payload);
  EXPECT_EQ(shared.view().index, 9u);
  EXPECT_EQ(status_of([] { raftcore::Snapshot::decode("nonsense"); }), RAFT_ERR_DECODE);

  const raft_conf_change_op op{RAFT_CONF_ADD_LEARNER, 4};
  raft_conf_change change{};
  change.struct_size = sizeof change;
  change.ops = &op;
  change.ops_len = 1;
  const std::string change_bytes = raftcore::encode(change);
  entry.kind = RAFT_ENTRY_CONF_CHANGE_V2;
  entry.data = raftcore::slice(change_bytes);
  const raftcore::ConfChange read = raftcore::ConfChange::decode(entry);
  ASSERT_EQ(read.view().ops_len, 1u);
  EXPECT_EQ(read.view().ops[0].node, 4u);

  raft_message_fields fields{};
  fields.struct_size = sizeof fields;
  fields.type = RAFT_MESSAGE_HEARTBEAT;
  fields.from = 1;
  fields.to = 2;
  fields.term = 5;
  const std::string message = raftcore::encode(fields);
  EXPECT_EQ(raftcore::inspect(message).term, 5u);
  EXPECT_EQ(raftcore::Message::decode(message).view().to, 2u);
}

raftcore::Node lone_leader(raft_config config = raftcore::config(1)) {
  const raftcore::Members members({1});
  raftcore::Node node = raftcore::Node::in_memory(config, &members);
  node.campaign();
  while (node.process([](const raftcore::Ready &) {})) {
  }
  return node;
}

TEST(Wrapper, BatchesAreOneAfterTheOther) {
  raftcore::Node node = lone_leader();
  const std::vector<raft_slice> copied = {raftcore::slice("a"), raftcore::slice("b")};
  const raft_entry_id first = node.propose_batch(copied);
  const raft_entry_id next =
      node.propose_batch_owned(std::vector<std::string>{"c", std::string(100, 'd')});
  EXPECT_EQ(next.index, first.index + 2);
  std::vector<std::string> applied;
  while (node.process([&](const raftcore::Ready &ready) {
    for (const raft_entry &entry : ready.committed_entries()) {
      applied.emplace_back(raftcore::view(entry.data));
    }
  })) {
  }
  EXPECT_EQ(applied, (std::vector<std::string>{"a", "b", "c", std::string(100, 'd')}));
  EXPECT_EQ(node.hard_state().commit, next.index + 1);
  EXPECT_EQ(node.soft_state().role, RAFT_ROLE_LEADER);
  EXPECT_EQ(node.id(), 1u);
  EXPECT_EQ(node.configuration().election_ticks, raftcore::config(1).election_ticks);
  EXPECT_EQ(node.take_storage_error(), RAFT_OK);
  node.memory_snapshot(next.index, "state");
  node.memory_snapshot_owned(next.index + 1, std::string("state"));
  node.memory_compact(next.index);
  EXPECT_EQ(node.status().first_index, next.index + 1);
  node.tick(5);
}

TEST(Wrapper, MessagesAreSteppedInBatchesAndWithoutACopy) {
  const raftcore::Members members({1, 2});
  raftcore::Node leader = raftcore::Node::in_memory(raftcore::config(1), &members);
  raftcore::Node follower = raftcore::Node::in_memory(raftcore::config(2), &members);
  leader.campaign();
  const auto deliver = [](raftcore::Node &from, raftcore::Node &to, bool batch) {
    bool worked = false;
    while (from.process([&](const raftcore::Ready &ready) {
      std::vector<raft_slice> bytes;
      for (const raft_message &message : ready.messages()) {
        if (!batch) to.step_owned(std::string(raftcore::view(message.bytes)));
        bytes.push_back(message.bytes);
      }
      if (batch) {
        for (const raft_status status : to.step_batch(bytes)) EXPECT_EQ(status, RAFT_OK);
      }
    })) {
      worked = true;
    }
    return worked;
  };
  while (deliver(leader, follower, true) || deliver(follower, leader, false)) {
  }
  EXPECT_EQ(follower.soft_state().leader, 1u);
  const std::vector<raft_slice> mixed = {raftcore::slice("nonsense")};
  EXPECT_EQ(follower.step_batch(mixed), std::vector<raft_status>{RAFT_ERR_DECODE});
}

TEST(Wrapper, AsynchronousWritesAreAcknowledged) {
  Log log;
  const raftcore::Members members({1});
  raft_config config = raftcore::config(1);
  config.async_storage_writes = true;
  raftcore::Node node(config, std::make_unique<LogStorage>(log, members));
  Machine machine(log);
  std::vector<std::string> applied;
  const auto work = [&] {
    while (node.has_ready()) {
      const raftcore::Ready ready = node.ready();
      if (!ready) break;
      raft_persist what{};
      what.entries = ready.entries().data();
      what.entries_len = ready.entries().size();
      what.hard_state = ready.hard_state();
      machine.persist(what);
      node.acknowledge(ready.storage_acks());
      for (const raft_entry &entry : ready.committed_entries()) {
        applied.emplace_back(raftcore::view(entry.data));
      }
      node.acknowledge(ready.apply_acks());
    }
  };
  node.campaign();
  work();
  node.propose("later");
  work();
  EXPECT_EQ(applied, (std::vector<std::string>{"", "later"}));
}

class Listener final : public raftcore::Observer {
 public:
  Listener(std::vector<std::string> &lines, bool &gone) : lines_(lines), gone_(gone) {}
  ~Listener() override { gone_ = true; }
  void log(std::int32_t, std::string_view text) override { lines_.emplace_back(text); }
  void trace(std::string_view json) override {
    lines_.emplace_back(json);
    throw std::runtime_error("swallowed");
  }
  bool traces() const override { return true; }

 private:
  std::vector<std::string> &lines_;
  bool &gone_;
};

TEST(Wrapper, AnObserverHearsWhatHappens) {
  std::vector<std::string> lines;
  bool gone = false;
  {
    const raftcore::Members members({1});
    raftcore::Node node = raftcore::Node::in_memory(raftcore::config(1), &members);
    node.set_observer(std::make_unique<Listener>(lines, gone), RAFT_LOG_DEBUG);
    node.campaign();
    EXPECT_FALSE(lines.empty());
    node.set_observer(nullptr);
    EXPECT_TRUE(gone);
  }
}

TEST(Wrapper, MembershipChangesOfBothVersionsAreApplied) {
  raftcore::Node node = lone_leader();
  node.propose_conf_change_v1({RAFT_CONF_ADD_LEARNER, 2}, "context");
  std::vector<std::uint64_t> learners;
  const auto apply = [&](const raftcore::Ready &ready) {
    for (const raft_entry &entry : ready.committed_entries()) {
      if (entry.kind != RAFT_ENTRY_NORMAL) learners = node.apply_conf_change(entry).learners;
    }
  };
  while (node.process(apply)) {
  }
  EXPECT_EQ(learners, std::vector<std::uint64_t>{2});
  node.propose_conf_change({{RAFT_CONF_ADD_LEARNER, 3}});
  const raft_conf_change_op nobody{RAFT_CONF_UPDATE, 0};
  raft_conf_change withdrawn{};
  withdrawn.struct_size = sizeof withdrawn;
  withdrawn.ops = &nobody;
  withdrawn.ops_len = 1;
  while (node.process([&](const raftcore::Ready &ready) {
    for (const raft_entry &entry : ready.committed_entries()) {
      // The host has changed its mind.
      if (entry.kind != RAFT_ENTRY_NORMAL) {
        learners = node.apply_conf_change_as(entry, withdrawn).learners;
      }
    }
  })) {
  }
  EXPECT_EQ(learners, std::vector<std::uint64_t>{2});
}

}  // namespace
