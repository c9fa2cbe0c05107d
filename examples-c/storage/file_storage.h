// SPDX-License-Identifier: Apache-2.0
//
// A durable storage in C: the log, the hard state and the latest snapshot in one file.
//
//   file_storage *storage;
//   raft_storage table;
//   file_storage_open("one.log", &members, &storage);
//   table = file_storage_table(storage);
//   raft_node_new(&config, &table, &node);        // config.applied: file_storage_snapshot_index(), and nothing later
//   host.persist = file_storage_persist;          // with the storage as the host's context, or call it from there
//   ...
//   raft_node_free(node);
//   file_storage_close(storage);
//
// The membership that a node starts with is the snapshot's. So it starts from there: all entries behind the snapshot are
// handed out again, and their membership changes are applied again. A state machine on disk that is further passes over
// the entries that it has. With a later config.applied the changes between would be lost.
//
// One thread at a time: raft_drive's callbacks and the node's reads come from whoever calls the node.
#ifndef FILE_STORAGE_H
#define FILE_STORAGE_H

#include <raftcore.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct file_storage file_storage;

// Opens a file, or makes it. `members` is the membership of a new group, on each of its first nodes; NULL for a node
// that joins later. It is not looked at if there is something in the file. RAFT_ERR_BUSY: another process has it;
// RAFT_ERR_IO: it cannot be read or written, or what is in it is damaged (then restore a backup, or take the node out
// of its group: it must not go on with less than it has acknowledged).
RAFT_NODISCARD raft_status file_storage_open(const char *path, const raft_conf_state *members, file_storage **out);
void file_storage_close(file_storage *storage);  // NULL is allowed

// How a node reads it. The storage outlives the node.
raft_storage file_storage_table(file_storage *storage);

// raft_host.persist: one batch, which is durable when this returns RAFT_OK. After a failure nothing more is written:
// close the storage and end the node, for what the file holds is not known any more.
RAFT_NODISCARD raft_status file_storage_persist(void *storage, const raft_persist *what);

// The latest snapshot: its last index, and its data, which is to be freed with raft_snapshot_buffer_free.
uint64_t file_storage_snapshot_index(const file_storage *storage);
RAFT_NODISCARD raft_status file_storage_snapshot(const file_storage *storage, raft_snapshot_buffer **out);

// Makes a snapshot of the state machine as it is after entry `index`, the last that it has applied, and forgets the log
// up to there. `members` is the membership after that entry: what raft_host.apply_conf_change was given last, or the one
// of the snapshot before; NULL for the latter.
RAFT_NODISCARD raft_status file_storage_compact(file_storage *storage, uint64_t index, const raft_conf_state *members,
                                                raft_slice state);

#ifdef __cplusplus
}
#endif

#endif
