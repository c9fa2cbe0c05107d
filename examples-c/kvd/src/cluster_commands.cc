// SPDX-License-Identifier: Apache-2.0
// The part of Redis Cluster that clients need to find a Region's leader: to them a leader is a
// master and its followers are replicas.
#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>

#include "local_commands.h"
#include "resp.h"
#include "store.h"

namespace kvd {
namespace {

// Redis names nodes by 40 hexadecimal digits.
std::string node_name(uint64_t store_id) {
  std::array<char, 41> name{};
  snprintf(name.data(), name.size(), "%040" PRIx64, store_id);
  return name.data();
}

// The members of a Region: its leader first. Of a member that --cluster does not name nothing is
// known.
std::vector<const Member *> leader_first(const Store &store, const Peer &peer) {
  std::vector<const Member *> members;
  for (const uint64_t voter : peer.voters()) {
    if (const Member *member = store.config().member(voter)) members.push_back(member);
  }
  std::stable_partition(members.begin(), members.end(),
                        [&](const Member *member) { return member->id == peer.leader(); });
  return members;
}

bool all_regions_led(const Store &store) {
  return !store.peers().empty() &&
         std::all_of(store.peers().begin(), store.peers().end(),
                     [](const auto &item) { return item.second->leader() != 0; });
}

void cluster_slots(Store &store, std::string &reply) {
  // A Region without a leader is left out: its slots are not covered, as clients call it.
  const auto led = std::count_if(store.peers().begin(), store.peers().end(),
                                 [](const auto &item) { return item.second->leader() != 0; });
  append_array(reply, static_cast<size_t>(led));
  for (const auto &[id, peer] : store.peers()) {
    if (peer->leader() == 0) continue;
    auto members = leader_first(store, *peer);
    std::erase_if(members, [&](const Member *one) {
      return one->id != peer->leader() && !store.is_online(one->id);
    });
    append_array(reply, 2 + members.size());
    append_integer(reply, peer->region().slots.first);
    append_integer(reply, peer->region().slots.last);
    for (const Member *member : members) {
      append_array(reply, 3);
      append_bulk(reply, member->client.host);
      append_integer(reply, member->client.port);
      append_bulk(reply, node_name(member->id));
    }
  }
}

void shard_node(const Store &store, const Peer &peer, const Member &member, std::string &reply) {
  const bool is_self = member.id == store.config().id;
  append_array(reply, 14);
  append_bulk(reply, "id");
  append_bulk(reply, node_name(member.id));
  append_bulk(reply, "port");
  append_integer(reply, member.client.port);
  append_bulk(reply, "ip");
  append_bulk(reply, member.client.host);
  append_bulk(reply, "endpoint");
  append_bulk(reply, member.client.host);
  append_bulk(reply, "role");
  append_bulk(reply, member.id == peer.leader() ? "master" : "replica");
  append_bulk(reply, "replication-offset");
  append_integer(reply, is_self ? static_cast<int64_t>(peer.applied_index()) : 0);
  append_bulk(reply, "health");
  append_bulk(reply, store.is_online(member.id) ? "online" : "fail");
}

void cluster_shards(Store &store, std::string &reply) {
  append_array(reply, store.peers().size());
  for (const auto &[id, peer] : store.peers()) {
    append_array(reply, 4);
    append_bulk(reply, "slots");
    append_array(reply, 2);
    append_integer(reply, peer->region().slots.first);
    append_integer(reply, peer->region().slots.last);
    append_bulk(reply, "nodes");
    const auto members = leader_first(store, *peer);
    append_array(reply, members.size());
    for (const Member *member : members) shard_node(store, *peer, *member, reply);
  }
}

// Of some Region; a store that has none yet knows only itself.
bool is_member(const Store &store, uint64_t store_id) {
  if (store_id == store.config().id) return true;
  return std::any_of(store.peers().begin(), store.peers().end(), [&](const auto &item) {
    const auto &voters = item.second->voters();
    return std::find(voters.begin(), voters.end(), store_id) != voters.end();
  });
}

// One line for each store:
// <name> <host:port@peer port> <flags> <leader's name or -> <ping> <pong> <epoch> <link> <slots...>
std::string nodes_line(const Store &store, const Member &member) {
  std::string slots;
  uint64_t follows = 0;
  for (const auto &[id, peer] : store.peers()) {
    if (peer->leader() == member.id) {
      const SlotRange &range = peer->region().slots;
      slots.append(" ").append(std::to_string(range.first));
      slots.append("-").append(std::to_string(range.last));
    } else {
      follows = peer->leader();
    }
  }
  const bool is_replica = slots.empty() && follows != 0;
  std::string line = node_name(member.id) + " " + member.client.text() + "@" +
                     std::to_string(member.peer.port) + " ";
  const bool online = store.is_online(member.id);
  if (member.id == store.config().id) line.append("myself,");
  line.append(is_replica ? "slave" : "master").append(online ? " " : ",fail ");
  line.append(is_replica ? node_name(follows) : "-");
  line.append(" 0 0 ").append(std::to_string(member.id));
  return line.append(online ? " connected" : " disconnected") + slots + "\n";
}

void cluster_nodes(Store &store, std::string &reply) {
  std::string text;
  for (const Member &member : store.config().members) {
    if (is_member(store, member.id)) text.append(nodes_line(store, member));
  }
  append_bulk(reply, text);
}

void cluster_info(Store &store, std::string &reply) {
  const bool ok = all_regions_led(store);
  const auto &members = store.config().members;
  const auto known = std::count_if(members.begin(), members.end(), [&](const Member &member) {
    return is_member(store, member.id);
  });
  std::string text = std::string("cluster_enabled:1\r\ncluster_state:") + (ok ? "ok" : "fail");
  for (const char *const name : {"cluster_slots_assigned", "cluster_slots_ok"}) {
    text.append("\r\n").append(name).append(":").append(std::to_string(slot_count));
  }
  text.append("\r\ncluster_known_nodes:").append(std::to_string(known));
  text.append("\r\ncluster_size:").append(std::to_string(store.peers().size())).append("\r\n");
  append_bulk(reply, text);
}

}  // namespace

void run_cluster(LocalCommand &context, const Args &args, std::string &reply) {
  const std::string subcommand = to_lower(args[1]);
  Store &store = context.store;
  if (subcommand == "keyslot" && args.size() == 3) {
    append_integer(reply, slot_of(args[2]));
  } else if (args.size() != 2) {
    append_subcommand_error(reply, args);
  } else if (subcommand == "slots") {
    cluster_slots(store, reply);
  } else if (subcommand == "shards") {
    cluster_shards(store, reply);
  } else if (subcommand == "nodes") {
    cluster_nodes(store, reply);
  } else if (subcommand == "info") {
    cluster_info(store, reply);
  } else if (subcommand == "myid") {
    append_bulk(reply, node_name(store.config().id));
  } else {
    append_subcommand_error(reply, args);
  }
}

}  // namespace kvd
