// SPDX-License-Identifier: Apache-2.0

package raftcore

// #include "bridge.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// ProposeConfChange proposes a change of the membership, as Propose. It takes effect when it is
// applied: see ApplyConfChange. The error is ErrConfChange if the leader knows that the change would
// come to nothing: another one may be pending, it cannot be applied, or it changes no member. Such a
// change never enters the log.
func (n *Node) ProposeConfChange(change ConfChange) (EntryID, error) {
	if !n.enter() {
		return EntryID{}, ErrClosed
	}
	ops := opsToC(change.Ops)
	var placed C.raft_entry_id
	context, size := pointerTo(change.Context)
	err := n.done("ProposeConfChange", C.raftcore_go_propose_conf_change(n.node, unsafe.SliceData(ops),
		C.size_t(len(ops)), C.int32_t(change.Transition), context, size, &placed))
	return entryID(placed), err
}

// ProposeConfChangeV1 proposes a change of one operation in the encoding of the first version, for groups
// with members that know no other, as ProposeConfChange. id is the host's own number for the change, which
// travels in the entry; 0 if there is none.
func (n *Node) ProposeConfChangeV1(id uint64, op ConfChangeOp, context []byte) (EntryID, error) {
	if !n.enter() {
		return EntryID{}, ErrClosed
	}
	raw := C.raft_conf_change_op{kind: C.int32_t(op.Type), node: C.uint64_t(op.Node)}
	var placed C.raft_entry_id
	data, size := pointerTo(context)
	err := n.done("ProposeConfChangeV1",
		C.raftcore_go_propose_conf_change_v1(n.node, C.uint64_t(id), &raw, data, size, &placed))
	return entryID(placed), err
}

// ApplyConfChange applies a committed membership change: call it at each committed entry whose kind
// is not EntryNormal, in order, once. It returns the new membership, to be stored with the applied
// index. With ErrConfChange or ErrDecode the entry cannot be carried out, here and on every other
// node; go on with the next entry.
//
// Call it before the Ready that has the entry is advanced; the node may be ticked and stepped in between, by
// the old membership. Later would be too late, and is not noticed: with two changes that count as applied
// and are not in force, majorities need not overlap any more.
func (n *Node) ApplyConfChange(entry Entry) (ConfState, error) {
	return n.apply("ApplyConfChange", entry, func(raw *C.raft_entry, out **C.raft_conf_state_buffer) C.raft_status {
		return C.raft_apply_conf_change(n.node, raw, out)
	})
}

// ApplyConfChangeAs applies a committed membership change in place of the one that the entry carries, for hosts
// that change a change: all nodes of the group must come to the same. Operations on node 0 do nothing; a change of
// nothing but those is withdrawn. Otherwise as ApplyConfChange.
func (n *Node) ApplyConfChangeAs(entry Entry, change ConfChange) (ConfState, error) {
	return n.apply("ApplyConfChangeAs", entry, func(raw *C.raft_entry, out **C.raft_conf_state_buffer) C.raft_status {
		var pinner runtime.Pinner
		defer pinner.Unpin()
		rawChange := change.toC(&pinner)
		return C.raft_apply_conf_change_as(n.node, raw, &rawChange, out)
	})
}

func (n *Node) apply(op string, entry Entry,
	function func(*C.raft_entry, **C.raft_conf_state_buffer) C.raft_status) (ConfState, error) {
	if !n.enter() {
		return ConfState{}, ErrClosed
	}
	var pinner runtime.Pinner
	defer pinner.Unpin()
	raw := entry.toC(&pinner)
	var buffer *C.raft_conf_state_buffer
	status := function(&raw, &buffer)
	var state ConfState
	if status == C.RAFT_OK {
		state, status = takeConfState(buffer)
	}
	return state, n.done(op, status)
}

// ConfState returns the membership in force.
func (n *Node) ConfState() (ConfState, error) {
	if !n.enter() {
		return ConfState{}, ErrClosed
	}
	var buffer *C.raft_conf_state_buffer
	status := C.raft_node_conf_state(n.node, &buffer)
	var state ConfState
	if status == C.RAFT_OK {
		state, status = takeConfState(buffer)
	}
	return state, n.done("ConfState", status)
}

// DecodeConfChange reads the membership change that an entry carries, of either version: to look at its context,
// or to change it (ApplyConfChangeAs). The error is ErrDecode, also for an entry of kind EntryNormal.
func DecodeConfChange(entry Entry, dialect Dialect) (ConfChange, error) {
	var change ConfChange
	err := withoutNode("DecodeConfChange", func() C.raft_status {
		var pinner runtime.Pinner
		defer pinner.Unpin()
		raw := entry.toC(&pinner)
		var buffer *C.raft_conf_change_buffer
		if status := C.raft_conf_change_decode(&raw, C.int32_t(dialect), &buffer); status != C.RAFT_OK {
			return status
		}
		defer C.raft_conf_change_buffer_free(buffer)
		var view C.raft_conf_change
		view.struct_size = C.size_t(unsafe.Sizeof(view))
		status := C.raft_conf_change_buffer_view(buffer, &view)
		if status == C.RAFT_OK {
			change = confChangeOf(&view)
		}
		return status
	})
	return change, err
}

// Encode encodes the change as the data of an entry of a kind: EntryConfChange (one operation, TransitionAuto) or
// EntryConfChangeV2.
func (c ConfChange) Encode(kind EntryKind, dialect Dialect) ([]byte, error) {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	raw := c.toC(&pinner)
	return encoded("ConfChange.Encode", func(buffer *C.uint8_t, capacity C.size_t, needed *C.size_t) C.raft_status {
		return C.raft_conf_change_encode(&raw, C.int32_t(kind), C.int32_t(dialect), buffer, capacity, needed)
	})
}

// Check checks that the membership makes sense: no node 0, nobody voter and learner at once, nobody staged who is
// no outgoing voter. The error is ErrConfChange.
func (c ConfState) Check() error {
	return withoutNode("ConfState.Check", func() C.raft_status {
		var pinner runtime.Pinner
		defer pinner.Unpin()
		raw := c.toC(&pinner)
		return C.raft_conf_state_check(&raw)
	})
}

// Encode encodes the membership for storing; [DecodeConfState] takes it.
func (c ConfState) Encode() ([]byte, error) {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	raw := c.toC(&pinner)
	return encoded("ConfState.Encode", func(buffer *C.uint8_t, capacity C.size_t, needed *C.size_t) C.raft_status {
		return C.raft_conf_state_encode(&raw, buffer, capacity, needed)
	})
}

// DecodeConfState decodes what [ConfState.Encode] returned. The error is ErrDecode.
func DecodeConfState(bytes []byte) (ConfState, error) {
	var state ConfState
	err := withoutNode("DecodeConfState", func() C.raft_status {
		var buffer *C.raft_conf_state_buffer
		status := C.raft_conf_state_decode(sliceOf(bytes), &buffer)
		if status == C.RAFT_OK {
			state, status = takeConfState(buffer)
		}
		return status
	})
	return state, err
}

func opsToC(ops []ConfChangeOp) []C.raft_conf_change_op {
	raw := make([]C.raft_conf_change_op, len(ops))
	for i, op := range ops {
		raw[i] = C.raft_conf_change_op{kind: C.int32_t(op.Type), node: C.uint64_t(op.Node)}
	}
	return raw
}

func (c ConfChange) toC(pinner *runtime.Pinner) C.raft_conf_change {
	raw := C.raft_conf_change{transition: C.int32_t(c.Transition)}
	raw.struct_size = C.size_t(unsafe.Sizeof(raw))
	raw.ops, raw.ops_len = pinned[C.raft_conf_change_op](pinner, opsToC(c.Ops))
	raw.context.data, raw.context.len = pinned[C.uint8_t](pinner, c.Context)
	return raw
}

func confChangeOf(view *C.raft_conf_change) ConfChange {
	change := ConfChange{Transition: Transition(view.transition), Context: bytesOf(view.context)}
	for _, op := range unsafe.Slice(view.ops, int(view.ops_len)) {
		change.Ops = append(change.Ops, ConfChangeOp{Type: ConfChangeType(op.kind), Node: uint64(op.node)})
	}
	return change
}
