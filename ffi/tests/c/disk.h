// SPDX-License-Identifier: Apache-2.0
//
// A disk that keeps a log, in memory: what a node's storage callbacks read.
#ifndef DISK_H
#define DISK_H

#include "support.h"

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

// Makes node 1, whose storage this is, the leader of a group with so many peers: 2, 3, and so on; all of them say that
// their logs end at `matched`.
void disk_lead(Disk *disk, raft_node *node, uint64_t peers, uint64_t matched);

#endif
