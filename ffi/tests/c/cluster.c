// SPDX-License-Identifier: Apache-2.0

#include "cluster.h"

static Server *add_server(Cluster *cluster) {
  CHECK(cluster->len < MAX_SERVERS);
  Server *server = &cluster->servers[cluster->len++];
  server->cluster = cluster;
  server->id = cluster->len;
  return server;
}

void cluster_start(Cluster *cluster, Mode mode, size_t first_members) {
  uint64_t ids[MAX_SERVERS];
  for (size_t i = 0; i < MAX_SERVERS; i++) {
    ids[i] = i + 1;
  }
  memset(cluster, 0, sizeof *cluster);
  cluster->mode = mode;
  for (size_t i = 0; i < first_members; i++) {
    Server *server = add_server(cluster);
    server->applied_index = 1;
    disk_format(&server->disk, ids, first_members);
    server_start(server);
  }
}

Server *cluster_join(Cluster *cluster) {
  Server *server = add_server(cluster);
  server_start(server);
  return server;
}

void cluster_free(Cluster *cluster) {
  for (size_t i = 0; i < cluster->len; i++) {
    raft_node_free(cluster->servers[i].node);
    CHECK(cluster->servers[i].disk.released);
    disk_free(&cluster->servers[i].disk);
  }
  for (size_t i = 0; i < cluster->queued; i++) {
    free(cluster->queue[i].bytes);
  }
  free(cluster->queue);
}

static void deliver(Cluster *cluster) {
  Packet packet = cluster->queue[0];
  memmove(cluster->queue, cluster->queue + 1, --cluster->queued * sizeof packet);
  Server *receiver = packet.to >= 1 && packet.to <= cluster->len ? &cluster->servers[packet.to - 1] : NULL;
  if (receiver != NULL && !receiver->cut_off) {
    const raft_status status =
        raft_step(receiver->node, raft_slice_of(packet.bytes, packet.len));
    CHECK(status == RAFT_OK || status == RAFT_ERR_PEER_NOT_FOUND ||
          status == RAFT_ERR_PROPOSAL_DROPPED || status == RAFT_ERR_CONF_CHANGE);
    server_work(receiver);
  }
  free(packet.bytes);
}

void cluster_settle(Cluster *cluster) {
  for (size_t i = 0; i < cluster->len; i++) {
    server_work(&cluster->servers[i]);
  }
  while (cluster->queued > 0) {
    deliver(cluster);
  }
}

void cluster_tick(Cluster *cluster) {
  for (size_t i = 0; i < cluster->len; i++) {
    OK(raft_tick(cluster->servers[i].node));
  }
  cluster_settle(cluster);
}

Server *cluster_leader(Cluster *cluster) {
  for (int ticks = 0; ticks < 1000; ticks++) {
    Server *leader = NULL;
    uint64_t highest = 0;
    for (size_t i = 0; i < cluster->len; i++) {
      const raft_node_status_info info = server_status(&cluster->servers[i]);
      if (info.role == RAFT_ROLE_LEADER && info.term > highest && !cluster->servers[i].cut_off) {
        leader = &cluster->servers[i];
        highest = info.term;
      }
    }
    if (leader != NULL) {
      return leader;
    }
    cluster_tick(cluster);
  }
  CHECK(!"a leader is elected");
  return NULL;
}

raft_entry_id cluster_propose(Cluster *cluster, const char *words) {
  raft_entry_id placed = {0, 0};
  OK(raft_propose(cluster_leader(cluster)->node, text(words), &placed));
  CHECK(placed.index > 0);
  return placed;
}

void cluster_await(Cluster *cluster, uint64_t index) {
  for (int ticks = 0; ticks < 1000; ticks++) {
    bool all = true;
    for (size_t i = 0; i < cluster->len; i++) {
      const Server *server = &cluster->servers[i];
      all = all && (server->cut_off || server->applied_index >= index);
    }
    if (all) {
      return;
    }
    cluster_tick(cluster);
  }
  CHECK(!"everybody applies it");
}
