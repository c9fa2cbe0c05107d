// SPDX-License-Identifier: Apache-2.0

package raftcore

// #include "bridge.h"
import "C"

import "unsafe"

// Message is a message to a peer. Losing, repeating and reordering messages is allowed.
type Message struct {
	// To is the node that gets it.
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
	// SnapshotMessages are to be sent at once, with Config.LendSnapshots.
	SnapshotMessages []SnapshotMessage
	// ReadStates are reads that may be served once their index is applied.
	ReadStates []ReadState

	// StorageAcks go back (Node.Acknowledge) when Snapshot, Entries and HardState are durable, with
	// Config.AsyncStorageWrites.
	StorageAcks []Ack
	// ApplyAcks, at most one, go back when CommittedEntries are applied, with Config.AsyncStorageWrites.
	ApplyAcks []Ack
	// HasStorageAppend says whether the storage has to do anything for this, with Config.AsyncStorageWrites.
	HasStorageAppend bool

	view     *C.raft_ready_view
	borrowed bool
	soft     SoftState
	hard     HardState
}

// HasReady says whether there is work. It is false on a closed node.
func (n *Node) HasReady() bool {
	if !n.enter() {
		return false
	}
	has := bool(C.raftcore_go_has_ready(n.raw))
	n.leave()
	return has
}

// Ready takes the work that has piled up, or returns nil if there is nothing to do. What it returns is Go's memory,
// and may be kept. The next one is given when this one is finished (ErrReadyOutstanding before that; with
// Config.AsyncStorageWrites at any time).
func (n *Node) Ready() (*Ready, error) {
	if !n.enter() {
		return nil, ErrClosed
	}
	answer := C.raftcore_go_ready(n.raw)
	if answer.status != C.RAFT_OK || answer.view == nil {
		return nil, n.done("Ready", answer.status)
	}
	ready := &Ready{}
	n.took(answer.view, ready, false)
	n.leave()
	return ready, nil
}

// ReadyInto takes the work that has piled up, as Ready, and says whether there is any. It fills ready, whose slices
// are used again, and copies no payloads: the Data of entries, the Bytes of messages and the Context of reads are the
// library's memory. They may be read until Advance, GiveBack, Discard, Release or Close, and never changed;
// [Entry.Clone] copies one. In the steady state it allocates nothing.
func (n *Node) ReadyInto(ready *Ready) (bool, error) {
	if !n.enter() {
		return false, ErrClosed
	}
	ready.reset()
	answer := C.raftcore_go_ready(n.raw)
	if answer.status != C.RAFT_OK || answer.view == nil {
		return false, n.done("ReadyInto", answer.status)
	}
	n.took(answer.view, ready, true)
	n.leave()
	return true, nil
}

// AdvanceInto is Advance and then ReadyInto with the same Ready, in one call of the library: whether there is more.
func (n *Node) AdvanceInto(ready *Ready) (bool, error) {
	if !n.enter() {
		return false, ErrClosed
	}
	view, ok := n.claim(ready)
	if !ok {
		n.leave()
		return false, &Error{Op: "AdvanceInto", Status: ErrForeignReady}
	}
	answer := C.raftcore_go_advance_ready(n.raw, integer(view))
	n.finished(ready, view, answer.advanced)
	status := answer.advanced
	if status == C.RAFT_OK {
		status = answer.status
	}
	if status != C.RAFT_OK || answer.view == nil {
		return false, n.done("AdvanceInto", status)
	}
	ready.reset()
	n.took(answer.view, ready, true)
	n.leave()
	return true, nil
}

// Advance tells the node that the work is done. The node relies on it: what was to be stored must be
// in the storage, and what was to be applied counts as applied. With ErrStorage the work counts as
// done all the same, but what should have followed is tried again later. With ErrCommittedConflict it
// counts as done, too: a member's snapshot that waited for this contradicts what is committed. Stop the node.
func (n *Node) Advance(ready *Ready) error {
	return n.finish("Advance", ready, func(view *C.raft_ready_view) C.raft_status {
		return C.raftcore_go_advance(n.raw, integer(view))
	})
}

// GiveBack returns a Ready that was not begun: nothing of it was applied. The next Ready has its work with
// what has come since.
func (n *Node) GiveBack(ready *Ready) error {
	return n.finish("GiveBack", ready, func(view *C.raft_ready_view) C.raft_status {
		return C.raft_ready_return(n.node, view)
	})
}

// Discard gives a Ready back without having done the work: the next Ready has the same.
func (n *Node) Discard(ready *Ready) error {
	return n.finish("Discard", ready, func(view *C.raft_ready_view) C.raft_status {
		C.raft_ready_free(view)
		return C.RAFT_OK
	})
}

// finish ends the outstanding Ready; only that one, because the library has freed all the others.
func (n *Node) finish(op string, ready *Ready, function func(*C.raft_ready_view) C.raft_status) error {
	if !n.enter() {
		return ErrClosed
	}
	if n.async {
		n.leave()
		return &Error{Op: op, Status: ErrWrongWriteMode}
	}
	view, ok := n.claim(ready)
	if !ok {
		n.leave()
		return &Error{Op: op, Status: ErrForeignReady}
	}
	status := function(view)
	n.finished(ready, view, status)
	return n.done(op, status)
}

// claim takes the outstanding view for the one call that finishes it.
func (n *Node) claim(ready *Ready) (*C.raft_ready_view, bool) {
	if ready == nil || ready.view == nil || !n.ready.CompareAndSwap(ready.view, nil) {
		return nil, false
	}
	return ready.view, true
}

func (n *Node) finished(ready *Ready, view *C.raft_ready_view, status C.raft_status) {
	switch status {
	case C.RAFT_OK, C.RAFT_ERR_STORAGE, C.RAFT_ERR_COMMITTED_CONFLICT: // the library has freed the view
		ready.view = nil
		if ready.borrowed {
			ready.reset()
		}
	default:
		n.ready.Store(view)
	}
}

func integer(view *C.raft_ready_view) C.uintptr_t { return C.uintptr_t(uintptr(unsafe.Pointer(view))) }

// took fills the Ready from a view that the library has just given out.
func (n *Node) took(view *C.raft_ready_view, ready *Ready, borrowed bool) {
	if !n.async {
		n.ready.Store(view)
	}
	ready.fill(view, borrowed)
}

// reset forgets the work, and keeps the slices.
func (r *Ready) reset() {
	clear(r.Entries)
	clear(r.CommittedEntries)
	clear(r.Messages)
	clear(r.ReadStates)
	*r = Ready{
		Entries:          r.Entries[:0],
		CommittedEntries: r.CommittedEntries[:0],
		Messages:         r.Messages[:0],
		ReadStates:       r.ReadStates[:0],
		StorageAcks:      r.StorageAcks[:0],
		ApplyAcks:        r.ApplyAcks[:0],
	}
}

// fill takes over what a view shows. Payloads are borrowed or copied, those of each list into one block.
func (r *Ready) fill(view *C.raft_ready_view, borrowed bool) {
	r.view, r.borrowed = view, borrowed
	r.MustSync = bool(view.must_sync)
	r.HasStorageAppend = bool(view.has_storage_append)
	if view.has_soft_state {
		r.soft = SoftState{Leader: uint64(view.soft_state.leader), Role: Role(view.soft_state.role)}
		r.SoftState = &r.soft
	}
	if view.has_hard_state {
		r.hard = hardStateOf(&view.hard_state)
		r.HardState = &r.hard
	}
	if view.has_snapshot {
		r.Snapshot = snapshotOf(view.snapshot)
	}
	r.Entries = appendEntries(r.Entries, view.entries, view.entries_len, borrowed)
	r.CommittedEntries = appendEntries(r.CommittedEntries, view.committed_entries, view.committed_entries_len, borrowed)
	r.fillMessages(unsafe.Slice(view.messages, int(view.messages_len)))
	for i := range unsafe.Slice(view.read_states, int(view.read_states_len)) {
		read := &unsafe.Slice(view.read_states, int(view.read_states_len))[i]
		context := lent(read.context)
		if !borrowed {
			context = bytesOf(read.context)
		}
		r.ReadStates = append(r.ReadStates, ReadState{Index: uint64(read.index), Context: context})
	}
	for _, ack := range unsafe.Slice(view.storage_acks, int(view.storage_acks_len)) {
		r.StorageAcks = append(r.StorageAcks, Ack{ack})
	}
	if view.apply_ack != nil {
		r.ApplyAcks = append(r.ApplyAcks, Ack{*view.apply_ack})
	}
	r.fillSnapshots(view)
}

func (r *Ready) fillMessages(messages []C.raft_message) {
	var block []byte
	if !r.borrowed {
		total := 0
		for i := range messages {
			total += int(messages[i].bytes.len)
		}
		block = make([]byte, 0, total)
	}
	for i := range messages {
		message := &messages[i]
		bytes := lent(message.bytes)
		if !r.borrowed {
			bytes, block = moved(bytes, block)
		}
		r.Messages = append(r.Messages, Message{
			To:                  uint64(message.to),
			Type:                MessageType(message._type),
			RequiresPersistence: bool(message.requires_persistence),
			Bytes:               bytes,
		})
	}
}

// Clone returns a copy of the entry that shares nothing: of one that ReadyInto lent.
func (e Entry) Clone() Entry {
	e.Data = append([]byte(nil), e.Data...)
	return e
}

func entriesOf(array *C.raft_entry, length C.size_t) []Entry {
	return appendEntries(nil, array, length, false)
}

// appendEntries appends what an array of C shows. Payloads are lent, or copied into one block.
func appendEntries(entries []Entry, array *C.raft_entry, length C.size_t, borrowed bool) []Entry {
	if length == 0 {
		return entries
	}
	list := unsafe.Slice(array, int(length))
	var block []byte
	if !borrowed {
		total := 0
		for i := range list {
			total += int(list[i].data.len)
		}
		block = make([]byte, 0, total)
		entries = make([]Entry, 0, len(list))
	}
	for i := range list {
		entry := &list[i]
		data := lent(entry.data)
		if !borrowed {
			data, block = moved(data, block)
		}
		entries = append(entries, Entry{
			Term:  uint64(entry.term),
			Index: uint64(entry.index),
			Kind:  EntryKind(entry.kind),
			Flags: uint32(entry.flags),
			Data:  data,
		})
	}
	return entries
}

// lent shows memory of the library's; nothing becomes nil.
func lent(slice C.raft_slice) []byte {
	if slice.len == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(slice.data), int(slice.len))
}
