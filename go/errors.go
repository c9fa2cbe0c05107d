// SPDX-License-Identifier: Apache-2.0

package raftcore

// #include "bridge.h"
import "C"

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"
)

// Status is what libraftcore answers when a call fails. The errors of this package wrap it, to be
// told apart with errors.Is:
//
//	if errors.Is(err, raftcore.ErrProposalDropped) { ... }
type Status int32

// The statuses that hosts react to; the header raftcore.h has them all.
const (
	// ErrInvalidArgument: an argument is of no use; the message names it.
	ErrInvalidArgument Status = C.RAFT_ERR_INVALID_ARGUMENT
	// ErrConfig: the configuration is not usable; the message names the field.
	ErrConfig Status = C.RAFT_ERR_CONFIG
	// ErrStorage: a method of Storage failed; its error is wrapped too.
	ErrStorage Status = C.RAFT_ERR_STORAGE
	// ErrInconsistentStorage: what the storage holds does not fit together.
	ErrInconsistentStorage Status = C.RAFT_ERR_INCONSISTENT_STORAGE
	// ErrProposalDropped: the proposal was not taken. Most often no leader is known.
	ErrProposalDropped Status = C.RAFT_ERR_PROPOSAL_DROPPED
	// ErrPeerNotFound: a reply came from a node that is not a member. It was ignored.
	ErrPeerNotFound Status = C.RAFT_ERR_PEER_NOT_FOUND
	// ErrInvalidMessage: a message breaks the protocol, is of a term or an index that no honest group
	// reaches, or comes from a node that is no member and contradicts what is committed here. It was
	// refused, and changed nothing.
	ErrInvalidMessage Status = C.RAFT_ERR_INVALID_MESSAGE
	// ErrCommitBeyondLog: a member that leads says that an entry is committed which this node
	// acknowledged and no longer has: its storage lost data. Nothing was changed. Stop the node, keep its
	// storage to look for the cause, and replace it by a member with a new ID. No message of another node
	// causes this.
	ErrCommitBeyondLog Status = C.RAFT_ERR_COMMIT_BEYOND_LOG
	// ErrCommittedConflict: a member that leads lacks an entry that is committed here: two groups whose
	// members have the same IDs were mixed up, or a storage lost data. Nothing was changed. Stop the node
	// and find out which before it goes on. No message of another node causes this.
	ErrCommittedConflict Status = C.RAFT_ERR_COMMITTED_CONFLICT
	// ErrConfChange: a membership change cannot be carried out. Proposed, it was not taken; committed,
	// it changes nothing, here and on every other node.
	ErrConfChange Status = C.RAFT_ERR_CONF_CHANGE
	// ErrDecode: bytes are not the encoding of what they should be.
	ErrDecode Status = C.RAFT_ERR_DECODE
	// ErrReadyOutstanding: the last Ready was neither advanced nor given back.
	ErrReadyOutstanding Status = C.RAFT_ERR_READY_OUTSTANDING
	// ErrForeignReady: the Ready is not the outstanding one of this node.
	ErrForeignReady Status = C.RAFT_ERR_FOREIGN_READY
	// ErrWrongWriteMode: the call is for the other mode of storage writes (Config.AsyncStorageWrites).
	ErrWrongWriteMode Status = C.RAFT_ERR_WRONG_WRITE_MODE
	// ErrUnknownAck: an acknowledgement of work that was never handed out.
	ErrUnknownAck Status = C.RAFT_ERR_UNKNOWN_ACK
	// ErrReentrant: a Storage or an Observer of the node called the node.
	ErrReentrant Status = C.RAFT_ERR_REENTRANT
	// ErrNoMemory: there is no memory for what was to be copied.
	ErrNoMemory Status = C.RAFT_ERR_NO_MEMORY
	// ErrInvariant: the node's state contradicts itself: a defect of the library, or damaged memory.
	ErrInvariant Status = C.RAFT_ERR_INVARIANT
	// ErrRecovery: a recovery or a restore would be unsafe or makes no sense.
	ErrRecovery Status = C.RAFT_ERR_RECOVERY
	// ErrNoLeader: the node knows no leader to pass the request to.
	ErrNoLeader Status = C.RAFT_ERR_NO_LEADER
	// ErrLimit: a limit of the configuration is reached; the message names it. Nothing was taken.
	ErrLimit Status = C.RAFT_ERR_LIMIT
	// ErrPoisoned: a defect in the library was caught; the node can only be closed.
	ErrPoisoned Status = C.RAFT_ERR_POISONED
	// ErrInvalidTransferee: leadership cannot go to that node, which is no voter.
	ErrInvalidTransferee Status = C.RAFT_ERR_INVALID_TRANSFEREE
	// ErrForked: the node belongs to the process that this one was forked from (by C code in the program: Go
	// itself does not fork without exec).
	ErrForked Status = C.RAFT_ERR_FORKED

	// ErrCompacted is for Storage: the entry is covered by a snapshot and gone.
	ErrCompacted Status = C.RAFT_ERR_COMPACTED
	// ErrUnavailable is for Storage: the entry is beyond the end of the log.
	ErrUnavailable Status = C.RAFT_ERR_UNAVAILABLE
	// ErrSnapshotUnavailable is for Storage: a snapshot is being made; ask again later.
	ErrSnapshotUnavailable Status = C.RAFT_ERR_SNAPSHOT_UNAVAILABLE
)

// ErrClosed is what every method of a closed node returns.
var ErrClosed = errors.New("raftcore: the node is closed")

// Error says what the status means.
func (s Status) Error() string {
	return "raftcore: " + C.GoString(C.raft_status_message(C.raft_status(s)))
}

// Error is a failed call.
type Error struct {
	// Op is the method that failed.
	Op string
	// Status is the library's answer.
	Status Status
	// Detail says more, in English; it may be empty.
	Detail string
	// Cause is the error of the Storage method behind it, if there is one.
	Cause error
}

// Error describes the failure.
func (e *Error) Error() string {
	text := e.Detail
	if text == "" {
		text = C.GoString(C.raft_status_message(C.raft_status(e.Status)))
	}
	if e.Cause != nil {
		return fmt.Sprintf("raftcore: %s: %s: %v", e.Op, text, e.Cause)
	}
	return fmt.Sprintf("raftcore: %s: %s", e.Op, text)
}

// Unwrap makes errors.Is find the status and the storage's error.
func (e *Error) Unwrap() []error {
	if e.Cause != nil {
		return []error{e.Status, e.Cause}
	}
	return []error{e.Status}
}

// failure makes an error of a status. node is nil for calls without a node; then the detail is kept
// by the thread, which the caller must have locked (runtime.LockOSThread).
func failure(op string, status C.raft_status, node *C.raft_node, cause error) error {
	if status == C.RAFT_OK {
		return nil
	}
	var text [512]C.char
	C.raft_node_last_error(node, &text[0], C.size_t(len(text)), nil)
	return &Error{Op: op, Status: Status(status), Detail: C.GoString(&text[0]), Cause: cause}
}

// bytesOf copies borrowed bytes; nothing becomes nil.
func bytesOf(slice C.raft_slice) []byte {
	if slice.len == 0 {
		return nil
	}
	return slices.Clone(unsafe.Slice((*byte)(slice.data), int(slice.len)))
}

// pointerTo gives the address of a Go slice for the time of a call.
func pointerTo(data []byte) (*C.uint8_t, C.size_t) {
	return (*C.uint8_t)(unsafe.SliceData(data)), C.size_t(len(data))
}
