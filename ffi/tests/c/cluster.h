// SPDX-License-Identifier: Apache-2.0
//
// A small world: servers that host nodes, a network of queues. All deterministic, one thread.
#ifndef CLUSTER_H
#define CLUSTER_H

#include "disk.h"

enum { MAX_SERVERS = 5, MAX_APPLIED = 256, MAX_TEXT = 32 };

// Who takes a node's work apart: the test, or the library.
typedef enum Mode { BY_READY, BY_DRIVE } Mode;

typedef struct Server {
  struct Cluster *cluster;
  uint64_t id;
  raft_node *node;
  Disk disk;
  char applied[MAX_APPLIED][MAX_TEXT];  // what the state machine got; the position is the index
  uint64_t applied_index;
  size_t conf_changes;  // how many it was told of
  size_t snapshots;     // how many it installed
  uint64_t read_index;  // answer to the last read
  raft_soft_state soft_state;
  bool cut_off;        // no message gets through, in either direction
  bool persist_failed;  // and was not repeated yet
} Server;

typedef struct Packet {
  uint64_t to;
  int32_t type;
  size_t len;
  uint8_t *bytes;
} Packet;

typedef struct Cluster {
  Mode mode;
  Server servers[MAX_SERVERS];
  size_t len;
  Packet *queue;
  size_t queued;
  size_t capacity;
  // Failure injection: the callback number fail_at answers RAFT_ERR_IO; and if fail_all, every
  // second one does.
  size_t calls;
  size_t fail_at;
  bool fail_all;
  size_t failures;
} Cluster;

void server_start(Server *server);
void server_restart(Server *server);  // the process is gone, the disk stays
void server_work(Server *server);     // all that the node wants done
raft_node_status_info server_status(Server *server);

void cluster_start(Cluster *cluster, Mode mode, size_t first_members);
Server *cluster_join(Cluster *cluster);  // starts a further node that knows nothing
void cluster_free(Cluster *cluster);
void cluster_tick(Cluster *cluster);     // one tick everywhere, and all that follows
void cluster_settle(Cluster *cluster);   // all that follows, without a tick
Server *cluster_leader(Cluster *cluster);  // the leader of the highest term, ticking until there is one
raft_entry_id cluster_propose(Cluster *cluster, const char *text);
void cluster_await(Cluster *cluster, uint64_t index);  // until every server that is not cut off applied it

#endif
