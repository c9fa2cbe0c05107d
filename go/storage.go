// SPDX-License-Identifier: Apache-2.0

package raftcore

// #include "bridge.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/cgo"
	"sync"
)

// Storage is the host's durable log as a node reads it. The node never writes: what must be stored
// is in a [Ready], and the host stores it.
//
// The log holds the entries from FirstIndex to LastIndex, preceded by a compacted prefix that a
// snapshot covers. A group starts from a snapshot too: the storages of its first members hold the
// membership, and a log that is compacted up to index 1 of term 1 ([NewMemoryStorage] is such a
// storage). A node that joins later starts with an empty storage, and is sent a snapshot.
//
// The snapshot may have any index and any term; the hard state's term is at least the snapshot's. A log
// and no hard state, or one of an earlier term, is a storage that lost what the node promised: New refuses
// it with [ErrInconsistentStorage]. Only a snapshot of term 1, with nothing behind it, needs no hard state.
//
// The contract:
//   - What a Ready handed out for storing is visible here when Advance is called, and not lost by a
//     restart.
//   - Entries stored at an index replace what was stored there and everything after it.
//   - The answers change only by what the host stores, by compaction, and by installing a snapshot.
//   - A snapshot that is older than the one that is there is refused: installing it would take back what
//     this node has acknowledged. The same one once more changes nothing.
//   - Compaction forgets only entries that a snapshot of this storage covers and that are applied, by a
//     Ready that was given to Advance. Until then the node may read them.
//
// The methods are called by the goroutine that calls the node, one at a time. They must not call the
// node, which answers ErrReentrant. An error, or a panic, becomes the error of that call, as [ErrStorage]; the node stays usable.
type Storage interface {
	// InitialState returns what was saved: the hard state, and the membership as it was after entry
	// Config.Applied (after FirstIndex - 1 if that is 0). Both are zero for a node that has yet to
	// join a group. Called once, by New.
	InitialState() (HardState, ConfState, error)
	// Entries returns entries low to high-1 (low < high): all of them, or the first ones, as many as
	// have an encoded size of maxBytes, and at least one. The library takes no more than fit.
	// ErrCompacted if low is below FirstIndex, ErrUnavailable if high-1 is beyond LastIndex.
	Entries(low, high, maxBytes uint64) ([]Entry, error)
	// Term returns the term of an entry, also that of FirstIndex - 1, the last compacted one.
	Term(index uint64) (uint64, error)
	// FirstIndex returns the index of the first entry that is there; 1 for an empty storage.
	FirstIndex() (uint64, error)
	// LastIndex returns the index of the last entry; 0 for an empty storage.
	LastIndex() (uint64, error)
	// Snapshot returns a snapshot to be sent to a peer that needs compacted entries. Its membership
	// has to list that peer: make a new one when asked, or after each change of the membership.
	// ErrSnapshotUnavailable to be asked again later.
	Snapshot() (Snapshot, error)
}

// PeerStorage is a Storage that makes snapshots on demand.
type PeerStorage interface {
	Storage
	// SnapshotFor is called instead of Snapshot. The membership lists the peer, as the host's own does by
	// then. The data may be made when it is sent, together with an index and a membership that are newer:
	// the leader goes on from the index that the peer reports.
	SnapshotFor(peer uint64) (Snapshot, error)
}

// storageCalls is what C knows a Storage by: it is behind the cgo.Handle.
type storageCalls struct {
	storage Storage
	mu      sync.Mutex
	// failure is the error of the storage's last method, for the error of the call that it made fail.
	failure error
}

// note keeps what the storage's last method came to.
func (c *storageCalls) note(err error) {
	c.mu.Lock()
	c.failure = err
	c.mu.Unlock()
}

// take returns the storage's last error, once. Without a storage of Go's there is none.
func (c *storageCalls) take() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.failure
	c.failure = nil
	return err
}

// answer carries out one callback. Errors and panics of the storage become statuses: a panic must
// not unwind through frames of C and Rust.
func answer(handle C.uintptr_t, call func(Storage) error) (status C.raft_status) {
	calls := cgo.Handle(handle).Value().(*storageCalls)
	defer func() {
		if r := recover(); r != nil {
			calls.note(fmt.Errorf("the storage panicked: %v", r))
			status = C.RAFT_ERR_IO
		}
	}()
	err := call(calls.storage)
	if err == nil {
		calls.note(nil)
		return C.RAFT_OK
	}
	for _, code := range []Status{ErrCompacted, ErrUnavailable, ErrSnapshotUnavailable} {
		if errors.Is(err, code) {
			calls.note(nil)
			return C.raft_status(code)
		}
	}
	calls.note(err)
	return C.RAFT_ERR_IO
}

// sunk makes an error of what a sink answered.
func sunk(status C.raft_status) error {
	if status == C.RAFT_OK {
		return nil
	}
	return Status(status)
}

//export raftcoreGoInitialState
func raftcoreGoInitialState(handle C.uintptr_t, hard *C.raft_hard_state, sink *C.raft_conf_state_sink) C.raft_status {
	return answer(handle, func(storage Storage) error {
		state, members, err := storage.InitialState()
		if err != nil {
			return err
		}
		var pinner runtime.Pinner
		defer pinner.Unpin()
		view := members.toC(&pinner)
		if err := sunk(C.raft_conf_state_sink_set(sink, &view)); err != nil {
			return err
		}
		hard.term = C.uint64_t(state.Term)
		hard.vote = C.uint64_t(state.Vote)
		hard.commit = C.uint64_t(state.Commit)
		return nil
	})
}

//export raftcoreGoEntries
func raftcoreGoEntries(handle C.uintptr_t, low, high, maxBytes C.uint64_t, sink *C.raft_entry_sink) C.raft_status {
	return answer(handle, func(storage Storage) error {
		entries, err := storage.Entries(uint64(low), uint64(high), uint64(maxBytes))
		if err != nil {
			return err
		}
		for i := range entries {
			e := &entries[i]
			data, size := pointerTo(e.Data)
			status := C.raftcore_go_push_entry(sink, C.uint64_t(e.Term), C.uint64_t(e.Index), C.int32_t(e.Kind),
				C.uint32_t(e.Flags), data, size)
			if status == C.RAFT_ERR_TOO_LARGE {
				return nil
			}
			if err := sunk(status); err != nil {
				return err
			}
		}
		return nil
	})
}

//export raftcoreGoTerm
func raftcoreGoTerm(handle C.uintptr_t, index C.uint64_t, out *C.uint64_t) C.raft_status {
	return answer(handle, func(storage Storage) error {
		term, err := storage.Term(uint64(index))
		if err == nil {
			*out = C.uint64_t(term)
		}
		return err
	})
}

//export raftcoreGoFirstIndex
func raftcoreGoFirstIndex(handle C.uintptr_t, out *C.uint64_t) C.raft_status {
	return answer(handle, func(storage Storage) error {
		index, err := storage.FirstIndex()
		if err == nil {
			*out = C.uint64_t(index)
		}
		return err
	})
}

//export raftcoreGoLastIndex
func raftcoreGoLastIndex(handle C.uintptr_t, out *C.uint64_t) C.raft_status {
	return answer(handle, func(storage Storage) error {
		index, err := storage.LastIndex()
		if err == nil {
			*out = C.uint64_t(index)
		}
		return err
	})
}

//export raftcoreGoSnapshot
func raftcoreGoSnapshot(handle C.uintptr_t, sink *C.raft_snapshot_sink) C.raft_status {
	return answerSnapshot(handle, sink, Storage.Snapshot)
}

//export raftcoreGoSnapshotFor
func raftcoreGoSnapshotFor(handle C.uintptr_t, peer C.uint64_t, sink *C.raft_snapshot_sink) C.raft_status {
	return answerSnapshot(handle, sink, func(storage Storage) (Snapshot, error) {
		if storage, ok := storage.(PeerStorage); ok {
			return storage.SnapshotFor(uint64(peer))
		}
		return storage.Snapshot()
	})
}

func answerSnapshot(handle C.uintptr_t, sink *C.raft_snapshot_sink, get func(Storage) (Snapshot, error)) C.raft_status {
	return answer(handle, func(storage Storage) error {
		snapshot, err := get(storage)
		if err != nil {
			return err
		}
		var pinner runtime.Pinner
		defer pinner.Unpin()
		view := snapshot.toC(&pinner)
		return sunk(C.raft_snapshot_sink_set(sink, &view))
	})
}
