// SPDX-License-Identifier: Apache-2.0

package raftcore

// #include "bridge.h"
import "C"

import "unsafe"

// MessageType is the type of a message.
type MessageType int32

// The message types that a transport has to know. All others it may treat alike.
const (
	// MessageSnapshot carries a snapshot: report its fate with Node.ReportSnapshot.
	MessageSnapshot MessageType = C.RAFT_MESSAGE_SNAPSHOT
)

// Message is a message to a peer. Losing, repeating and reordering messages is allowed.
type Message struct {
	// To is the node that shall get it.
	To   uint64
	Type MessageType
	// RequiresPersistence: the message promises what must be stored before it is sent.
	RequiresPersistence bool
	// Bytes is what the peer's Step takes.
	Bytes []byte
}

// ReadState is a read that may be served once Index is applied.
type ReadState struct {
	Index   uint64
	Context []byte
}

// Ready is work that a node wants done; the package's overview has the order of work. Finish it with
// Node.Advance.
type Ready struct {
	// MustSync: what is stored must be durable before going on. A commit index alone may be lost.
	MustSync bool
	// SoftState is leader and role, if one of them changed.
	SoftState *SoftState
	// HardState is to be stored, if it is not nil.
	HardState *HardState
	// Snapshot is to be installed in log and state machine, if it is not nil.
	Snapshot *Snapshot
	// Entries are to be stored. They replace stored ones at their indexes and everything after.
	Entries []Entry
	// CommittedEntries are to be applied to the state machine, in this order, once each.
	CommittedEntries []Entry
	// Messages are to be sent. Those without RequiresPersistence come first, and need not wait.
	Messages []Message
	// ReadStates are reads that may be served once their index is applied.
	ReadStates []ReadState

	view *C.raft_ready_view
}

// HasReady says whether there is work. It is false on a closed node.
func (n *Node) HasReady() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.node != nil && bool(C.raft_has_ready(n.node))
}

// Ready takes the work that has piled up, or returns nil if there is nothing to do. The next one is
// given when this one is finished (ErrReadyOutstanding before that).
func (n *Node) Ready() (*Ready, error) {
	var ready *Ready
	err := n.call("Ready", func() C.raft_status {
		var view *C.raft_ready_view
		status := C.raft_ready(n.node, &view)
		if status == C.RAFT_OK && view != nil {
			n.ready = view
			ready = readyOf(view)
		}
		return status
	})
	return ready, err
}

// Advance tells the node that the work is done. The node relies on it: what was to be stored must be
// in the storage, and what was to be applied counts as applied. With ErrStorage the work counts as
// done all the same, but what should have followed is tried again later. With ErrCommittedConflict it
// counts as done, too: a member's snapshot that waited for this contradicts what is committed. Stop the node.
func (n *Node) Advance(ready *Ready) error {
	return n.finish("Advance", ready, func() C.raft_status { return C.raft_advance(n.node, ready.view) })
}

// GiveBack returns a Ready that was not begun: nothing of it was applied. The next Ready has its work with
// what has come since.
func (n *Node) GiveBack(ready *Ready) error {
	return n.finish("GiveBack", ready, func() C.raft_status { return C.raft_ready_return(n.node, ready.view) })
}

// Discard gives a Ready back without having done the work: the next Ready has the same.
func (n *Node) Discard(ready *Ready) error {
	return n.finish("Discard", ready, func() C.raft_status {
		C.raft_ready_free(ready.view)
		return C.RAFT_OK
	})
}

// finish ends the outstanding Ready; only that one, because the library has freed all the others.
func (n *Node) finish(op string, ready *Ready, function func() C.raft_status) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.node == nil {
		return ErrClosed
	}
	if ready == nil || ready.view == nil || ready.view != n.ready {
		return &Error{Op: op, Status: ErrForeignReady}
	}
	var status C.raft_status
	err := n.locked(op, func() C.raft_status {
		status = function()
		return status
	})
	switch status {
	case C.RAFT_OK, C.RAFT_ERR_STORAGE, C.RAFT_ERR_COMMITTED_CONFLICT: // the library has freed the view
		n.ready, ready.view = nil, nil
	}
	return err
}

// readyOf copies what a view shows.
func readyOf(view *C.raft_ready_view) *Ready {
	ready := &Ready{
		MustSync:         bool(view.must_sync),
		Entries:          entriesOf(view.entries, view.entries_len),
		CommittedEntries: entriesOf(view.committed_entries, view.committed_entries_len),
		view:             view,
	}
	if view.has_soft_state {
		ready.SoftState = &SoftState{Leader: uint64(view.soft_state.leader), Role: Role(view.soft_state.role)}
	}
	if view.has_hard_state {
		hard := &view.hard_state
		ready.HardState = &HardState{Term: uint64(hard.term), Vote: uint64(hard.vote), Commit: uint64(hard.commit)}
	}
	if view.has_snapshot {
		ready.Snapshot = snapshotOf(view.snapshot)
	}
	for _, message := range unsafe.Slice(view.messages, int(view.messages_len)) {
		ready.Messages = append(ready.Messages, Message{
			To:                  uint64(message.to),
			Type:                MessageType(message._type),
			RequiresPersistence: bool(message.requires_persistence),
			Bytes:               bytesOf(message.bytes),
		})
	}
	for _, read := range unsafe.Slice(view.read_states, int(view.read_states_len)) {
		ready.ReadStates = append(ready.ReadStates, ReadState{Index: uint64(read.index), Context: bytesOf(read.context)})
	}
	return ready
}
