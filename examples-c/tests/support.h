// SPDX-License-Identifier: Apache-2.0
//
// A small world for tests: disks that keep logs, servers that host nodes, a network of queues. All
// deterministic, one thread.
#ifndef SUPPORT_H
#define SUPPORT_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raftcore.h"

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                                  \
    }                                                                           \
  } while (0)

// CHECK that a call answers what it should; says what it answered.
#define EXPECT(status, expected) expect_status((status), (expected), #status, __FILE__, __LINE__)
#define OK(status) EXPECT((status), RAFT_OK)

void expect_status(raft_status status, raft_status expected, const char *what, const char *file,
                   int line);

// What a node with host storage has on its disk.
typedef struct Disk {
  raft_hard_state hard_state;
  raft_entry_id compacted;  // the last entry that is gone
  uint64_t snapshot_index;  // at or beyond that
  uint8_t *snapshot;        // encoded, with its metadata
  size_t snapshot_len;
  uint8_t *conf_state;  // encoded
  size_t conf_state_len;
  raft_entry *log;  // entries from compacted.index + 1 on, each with a payload of its own
  size_t log_len;
  size_t log_capacity;
  bool released;
} Disk;

void disk_format(Disk *disk, const uint64_t *voters, size_t voters_len);  // for a first member
void disk_free(Disk *disk);
raft_storage disk_storage(Disk *disk);
uint64_t disk_last_index(const Disk *disk);
void disk_store(Disk *disk, const raft_entry *entries, size_t len);
void disk_install(Disk *disk, const raft_snapshot *snapshot, raft_slice encoded);
void disk_set_conf_state(Disk *disk, raft_slice encoded);
void disk_snapshot(Disk *disk, uint64_t index, raft_slice data);
void disk_compact(Disk *disk, uint64_t index);

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

void cluster_start(Cluster *cluster, Mode mode, size_t first_members);
Server *cluster_join(Cluster *cluster);  // starts a further node that knows nothing
void cluster_free(Cluster *cluster);
void cluster_tick(Cluster *cluster);     // one tick everywhere, and all that follows
void cluster_settle(Cluster *cluster);   // all that follows, without a tick
Server *cluster_leader(Cluster *cluster);  // the leader of the highest term, ticking until there is one
raft_entry_id cluster_propose(Cluster *cluster, const char *text);
void cluster_await(Cluster *cluster, uint64_t index);  // until every server that is not cut off applied it
void server_work(Server *server);          // all that the node wants done
void server_restart(Server *server);       // the process is gone, the disk stays
raft_node_status_info server_status(Server *server);
raft_slice text(const char *text);

#endif
