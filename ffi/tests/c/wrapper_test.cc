// SPDX-License-Identifier: Apache-2.0
//
// raftcore.hpp: owners, views and exceptions do what they say.

#include <deque>
#include <map>
#include <optional>

#include "wrapper_support.hpp"

namespace {

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

TEST(Wrapper, AHandshakeNamesWhatMembersDoNotAgreeOn) {
  raft_config own = raftcore::config(1);
  raft_config peer = raftcore::config(2);
  own.read_mode = peer.read_mode = RAFT_READ_LEASE;
  raftcore::check_handshake(own, raftcore::handshake(peer));
  peer.election_ticks++;
  try {
    raftcore::check_handshake(own, raftcore::handshake(peer));
    FAIL() << "leases of different lengths fit";
  } catch (const raftcore::Error &error) {
    EXPECT_EQ(error.status(), RAFT_ERR_CONFIG);
    EXPECT_NE(std::string(error.what()).find("election_ticks"), std::string::npos);
  }
}

TEST(Wrapper, WhatIsNotThereIsAnErrorOrNothing) {
  EXPECT_EQ(status_of([] { raftcore::Node(raftcore::config(1), nullptr); }), RAFT_ERR_INVALID_ARGUMENT);
  raftcore::Node node = lone_leader();
  const raftcore::Node elsewhere = std::move(node);
  EXPECT_EQ(node.handle(), nullptr);
  EXPECT_EQ(status_of([&] { node.tick(); }), RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(status_of([&] { node.ready(); }), RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_TRUE(node.id() == 0 && !node.has_ready());
  raftcore::Ready none;
  EXPECT_FALSE(none);
  EXPECT_TRUE(none.entries().empty() && none.messages().empty() && none.read_states().empty());
  EXPECT_TRUE(none.committed_entries().empty() && none.snapshot() == nullptr && !none.must_sync());
  EXPECT_TRUE(none.apply_acks().empty() && none.storage_acks().empty() && none.hard_state() == nullptr);
  EXPECT_EQ(status_of([&] { none.advance(); }), RAFT_ERR_INVALID_ARGUMENT);
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
  EXPECT_EQ(node.take_transfer_outcome().result, RAFT_TRANSFER_NONE);
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
