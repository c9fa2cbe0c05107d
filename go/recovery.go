// SPDX-License-Identifier: Apache-2.0

package raftcore

// #include "bridge.h"
import "C"

import (
	"runtime"
	"runtime/cgo"
	"unsafe"
)

// Persist is what a storage has to store in one batch: see [Ready].
type Persist struct {
	// Snapshot replaces the whole log, if it is not nil. Entries, if any, follow it.
	Snapshot *Snapshot
	// Entries replace stored ones at their indexes and everything after.
	Entries []Entry
	// HardState is to be stored, if it is not nil.
	HardState *HardState
	// MustSync: it must be durable before going on. A commit index alone may be lost.
	MustSync bool
	// covers: Snapshot is one of the host's own, of a log that stays.
	covers bool
}

func persistOf(raw *C.raft_persist) Persist {
	persist := Persist{Entries: entriesOf(raw.entries, raw.entries_len), MustSync: bool(raw.must_sync)}
	if raw.snapshot != nil {
		persist.Snapshot = snapshotOf(raw.snapshot)
	}
	if raw.hard_state != nil {
		hard := hardStateOf(raw.hard_state)
		persist.HardState = &hard
	}
	return persist
}

// LogPosition says how far a survivor's log reaches. The survivor whose Last is the greatest, by term and then by
// index, is the one to recover from.
type LogPosition struct {
	Node uint64
	// Term is the latest term it has seen.
	Term uint64
	// Last is the last entry of its log.
	Last EntryID
	// Commit is the highest index that it knows to be committed.
	Commit uint64
}

// RecoveryRequest says what is to become of a survivor.
type RecoveryRequest struct {
	// Node is the survivor whose storage is read.
	Node uint64
	// Applied is Config.Applied when the node was last made from this storage.
	Applied uint64
	// Members is the new membership: this node as a voter, best alone. Others have new ids and an empty storage, or
	// are among Survivors.
	Members ConfState
	// Survivors has the positions of all other survivors.
	Survivors []LogPosition
	Dialect   Dialect
}

// RecoveryPlan is what is to be written, and what that means.
type RecoveryPlan struct {
	// Persist is what to store, in one batch.
	Persist Persist
	// Before is the membership at the end of the log as it is now; of a backup, the one in it.
	Before ConfState
	// Last is the last entry that is kept.
	Last EntryID
	// Committed is the highest index known to be committed until now. Entries from here to Last become committed
	// although nobody may have learnt that they are.
	Committed uint64
	// Changes counts the membership changes of the log behind the applied entry.
	Changes uint64
	// MayMissCommitted: entries may be missing that were committed and acknowledged.
	MayMissCommitted bool
}

// RecoveryPosition returns how far the log of a node reaches, for choosing the survivor to recover from.
func RecoveryPosition(storage Storage, node uint64) (LogPosition, error) {
	var position C.raft_log_position
	err := withStorage("RecoveryPosition", storage, func(table *C.raft_storage) C.raft_status {
		return C.raft_recovery_position(table, C.uint64_t(node), &position)
	})
	return LogPosition{
		Node:   uint64(position.node),
		Term:   uint64(position.term),
		Last:   entryID(position.last),
		Commit: uint64(position.commit),
	}, err
}

// Recover says what has to be written into a survivor's storage so that it goes on with a new membership, although a
// quorum of the old one is lost for good. Offline: no node runs on the storage. The log stays. The lost members must
// not come back; docs/operations.md goes through it. The error is ErrRecovery if it is refused.
func Recover(storage Storage, request RecoveryRequest) (*RecoveryPlan, error) {
	var plan *RecoveryPlan
	err := withStorage("Recover", storage, func(table *C.raft_storage) C.raft_status {
		var pinner runtime.Pinner
		defer pinner.Unpin()
		survivors := make([]C.raft_log_position, len(request.Survivors))
		for i, s := range request.Survivors {
			survivors[i] = C.raft_log_position{
				node:   C.uint64_t(s.Node),
				term:   C.uint64_t(s.Term),
				last:   C.raft_entry_id{term: C.uint64_t(s.Last.Term), index: C.uint64_t(s.Last.Index)},
				commit: C.uint64_t(s.Commit),
			}
		}
		members := []C.raft_conf_state{request.Members.toC(&pinner)}
		raw := C.raft_recovery_request{
			node:    C.uint64_t(request.Node),
			applied: C.uint64_t(request.Applied),
			dialect: C.int32_t(request.Dialect),
		}
		raw.struct_size = C.size_t(unsafe.Sizeof(raw))
		raw.members, _ = pinned[C.raft_conf_state](&pinner, members)
		raw.survivors, raw.survivors_len = pinned[C.raft_log_position](&pinner, survivors)
		var buffer *C.raft_recovery
		status := C.raft_recover(table, &raw, &buffer)
		if status == C.RAFT_OK {
			plan, status = takePlan(buffer)
		}
		return status
	})
	return plan, err
}

// Restore says what each first member of a new group has to write into its empty storage to start from a backup: the
// same on all of them. Config.Applied is then the backup's index. The group has a GroupID of its own, and its nodes
// have ids that the old group never had.
func Restore(backup []byte, members ConfState) (*RecoveryPlan, error) {
	var plan *RecoveryPlan
	err := withoutNode("Restore", func() C.raft_status {
		var pinner runtime.Pinner
		defer pinner.Unpin()
		raw := members.toC(&pinner)
		var buffer *C.raft_recovery
		status := C.raft_restore(sliceOf(backup), &raw, &buffer)
		if status == C.RAFT_OK {
			plan, status = takePlan(buffer)
		}
		return status
	})
	return plan, err
}

// EncodeBackup encodes a backup of a snapshot: the latest one of a storage, or one that the host makes of its state
// for this, with the last applied entry and the membership there.
func EncodeBackup(snapshot Snapshot) ([]byte, error) {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	raw := snapshot.toC(&pinner)
	return encoded("EncodeBackup", func(buffer *C.uint8_t, capacity C.size_t, needed *C.size_t) C.raft_status {
		return C.raft_backup_encode(&raw, buffer, capacity, needed)
	})
}

// DecodeBackup decodes a backup: the state, the last entry that it covers, and the old group's membership. The error
// is ErrDecode if it is damaged, or none.
func DecodeBackup(backup []byte) (*Snapshot, error) {
	return decodedSnapshot("DecodeBackup", func(out **C.raft_snapshot_buffer) C.raft_status {
		return C.raft_backup_decode(sliceOf(backup), out)
	})
}

func takePlan(buffer *C.raft_recovery) (*RecoveryPlan, C.raft_status) {
	defer C.raft_recovery_free(buffer)
	var view C.raft_recovery_plan
	view.struct_size = C.size_t(unsafe.Sizeof(view))
	if status := C.raft_recovery_view(buffer, &view); status != C.RAFT_OK {
		return nil, status
	}
	return &RecoveryPlan{
		Persist:          persistOf(view.persist),
		Before:           confStateOf(&view.before),
		Last:             entryID(view.last),
		Committed:        uint64(view.committed),
		Changes:          uint64(view.changes),
		MayMissCommitted: bool(view.may_miss_committed),
	}, C.RAFT_OK
}

// withStorage shows a storage to the library during a call without a node.
func withStorage(op string, storage Storage, function func(*C.raft_storage) C.raft_status) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	calls := &storageCalls{storage: storage}
	handle := cgo.NewHandle(calls)
	defer handle.Delete()
	var table C.raft_storage
	C.raftcore_go_storage(C.uintptr_t(handle), &table)
	status := function(&table)
	return failure(op, status, nil, calls.take())
}
