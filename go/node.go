// SPDX-License-Identifier: Apache-2.0

package raftcore

// #include "bridge.h"
import "C"

import (
	"runtime"
	"runtime/cgo"
	"sync"
	"unsafe"
)

// Node is a member of a Raft group. Its methods may be called by any goroutine; they are carried
// out one after the other. Close it when it is of no more use.
type Node struct {
	mu     sync.Mutex
	node   *C.raft_node // nil once closed
	handle cgo.Handle
	calls  *storageCalls
	// ready is the view that Ready gave out last and that was not finished since.
	ready *C.raft_ready_view
}

// New makes a node that starts from what the storage holds: a restart is the same call as the first
// start. The errors wrap ErrConfig, ErrStorage, ErrInconsistentStorage or ErrConfChange.
func New(config Config, storage Storage) (*Node, error) {
	// The detail of an error without a node is kept by the thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	raw, status := config.toC()
	if status != C.RAFT_OK {
		return nil, failure("New", status, nil, nil)
	}
	calls := &storageCalls{storage: storage}
	handle := cgo.NewHandle(calls)
	node, status := newNode(&raw, handle)
	if status != C.RAFT_OK {
		handle.Delete()
		return nil, failure("New", status, nil, calls.failure)
	}
	return &Node{node: node, handle: handle, calls: calls}, nil
}

// Close frees the node. An outstanding Ready stays readable, and cannot be advanced any more. Closing
// twice is allowed.
func (n *Node) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.node == nil {
		return nil
	}
	C.raft_ready_free(n.ready)
	C.raft_node_free(n.node)
	n.handle.Delete()
	n.node, n.ready = nil, nil
	return nil
}

// call carries out one function of the library, unless the node is closed.
func (n *Node) call(op string, function func() C.raft_status) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.node == nil {
		return ErrClosed
	}
	return n.locked(op, function)
}

// locked is call for those who have the lock.
func (n *Node) locked(op string, function func() C.raft_status) error {
	n.calls.failure = nil
	return failure(op, function(), n.node, n.calls.failure)
}

// Tick tells the node that time has passed: call it at the same interval on all nodes of a group.
func (n *Node) Tick() error {
	return n.call("Tick", func() C.raft_status { return C.raft_tick(n.node) })
}

// Step hands over a message from a peer, the Bytes of its [Message]. The bytes may come from anybody:
// an error changes nothing, neither term nor leader nor log. All errors but ErrCommitBeyondLog and
// ErrCommittedConflict (a member says that data was lost: stop the node) and ErrPoisoned may be logged
// and forgotten. Messages are not authenticated: the transport knows who speaks, and of which group
// ([Config.Handshake]).
func (n *Node) Step(message []byte) error {
	return n.call("Step", func() C.raft_status {
		data, size := pointerTo(message)
		return C.raftcore_go_step(n.node, data, size)
	})
}

// Propose proposes an entry; a follower passes it on to its leader.
//
// The entry is committed once a committed entry has the very ID that is returned, and lost once
// another one has its index. The ID is zero if the proposal was passed on: then nothing is known of
// its fate. The error is ErrProposalDropped if it was not taken.
func (n *Node) Propose(data []byte) (EntryID, error) {
	var placed C.raft_entry_id
	err := n.call("Propose", func() C.raft_status {
		pointer, size := pointerTo(data)
		return C.raftcore_go_propose(n.node, pointer, size, &placed)
	})
	return entryID(placed), err
}

// ProposeConfChange proposes a change of the membership, as Propose. It takes effect when it is
// applied: see ApplyConfChange. The error is ErrConfChange if the leader knows that the change would
// come to nothing: another one may be pending, it cannot be applied, or it changes no member. Such a
// change never enters the log.
func (n *Node) ProposeConfChange(change ConfChange) (EntryID, error) {
	ops := make([]C.raft_conf_change_op, len(change.Ops))
	for i, op := range change.Ops {
		ops[i] = C.raft_conf_change_op{kind: C.int32_t(op.Type), node: C.uint64_t(op.Node)}
	}
	var placed C.raft_entry_id
	err := n.call("ProposeConfChange", func() C.raft_status {
		context, size := pointerTo(change.Context)
		return C.raftcore_go_propose_conf_change(n.node, unsafe.SliceData(ops), C.size_t(len(ops)),
			C.int32_t(change.Transition), context, size, &placed)
	})
	return entryID(placed), err
}

// ProposeConfChangeV1 proposes a change of one operation in the encoding of the first version, for groups
// with members that know no other, as ProposeConfChange. id is the host's own number for the change, which
// travels in the entry; 0 if there is none.
func (n *Node) ProposeConfChangeV1(id uint64, op ConfChangeOp, context []byte) (EntryID, error) {
	raw := C.raft_conf_change_op{kind: C.int32_t(op.Type), node: C.uint64_t(op.Node)}
	var placed C.raft_entry_id
	err := n.call("ProposeConfChangeV1", func() C.raft_status {
		data, size := pointerTo(context)
		return C.raftcore_go_propose_conf_change_v1(n.node, C.uint64_t(id), &raw, data, size, &placed)
	})
	return entryID(placed), err
}

// ProposeEntry proposes an entry of a kind with a payload that the host has encoded itself, as Propose. The
// error is ErrProposalDropped also if the payload of a membership change cannot be decoded.
func (n *Node) ProposeEntry(kind EntryKind, data []byte) (EntryID, error) {
	var placed C.raft_entry_id
	err := n.call("ProposeEntry", func() C.raft_status {
		pointer, size := pointerTo(data)
		return C.raftcore_go_propose_entry(n.node, C.int32_t(kind), pointer, size, &placed)
	})
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
	var state ConfState
	err := n.call("ApplyConfChange", func() C.raft_status {
		var buffer *C.raft_conf_state_buffer
		data, size := pointerTo(entry.Data)
		status := C.raftcore_go_apply_conf_change(n.node, C.uint64_t(entry.Term), C.uint64_t(entry.Index),
			C.int32_t(entry.Kind), C.uint32_t(entry.Flags), data, size, &buffer)
		if status == C.RAFT_OK {
			state, status = takeConfState(buffer)
		}
		return status
	})
	return state, err
}

// Campaign starts an election now, without waiting for the election timeout. It does nothing on a
// leader, and on a node that does not vote.
func (n *Node) Campaign() error {
	return n.call("Campaign", func() C.raft_status { return C.raft_campaign(n.node) })
}

// TransferLeader asks that node to become leader. A follower passes the request on. TakeTransferOutcome
// of the node that led has the outcome.
func (n *Node) TransferLeader(to uint64) error {
	return n.call("TransferLeader", func() C.raft_status { return C.raft_transfer_leader(n.node, C.uint64_t(to)) })
}

// TakeTransferOutcome returns how the last leadership transfer that this node began as a leader ended, once.
// Its Result is TransferNone if there is nothing to report. To be asked after Tick and Advance while a transfer
// is pending; if the node lost its leadership meanwhile, there is an outcome when it knows the next leader.
func (n *Node) TakeTransferOutcome() (TransferOutcome, error) {
	var to C.uint64_t
	var result C.int32_t
	err := n.call("TakeTransferOutcome", func() C.raft_status {
		return C.raft_node_take_transfer_outcome(n.node, &to, &result)
	})
	return TransferOutcome{To: uint64(to), Result: TransferResult(result)}, err
}

// ForgetLeader makes a follower forget its leader, so that it may vote at once.
func (n *Node) ForgetLeader() error {
	return n.call("ForgetLeader", func() C.raft_status { return C.raft_forget_leader(n.node) })
}

// ReadIndex asks for the index that a linearizable read has to wait for. The answer is a ReadState
// with the same context. It may never come: ask again after a timeout, with another context.
func (n *Node) ReadIndex(context []byte) error {
	return n.call("ReadIndex", func() C.raft_status {
		data, size := pointerTo(context)
		return C.raftcore_go_read_index(n.node, data, size)
	})
}

// ReportUnreachable reports that a message to a node was lost, as far as the host knows. Call it on
// every node for every loss, as soon as it is known: what may be lost is sent again at once, a few
// times until the node is heard from.
func (n *Node) ReportUnreachable(id uint64) error {
	return n.call("ReportUnreachable", func() C.raft_status {
		return C.raft_report_unreachable(n.node, C.uint64_t(id))
	})
}

// ReportSnapshot reports what became of a MessageSnapshot to a node. Required after each of them:
// the leader sends nothing more to the node until it hears from it, or of this.
func (n *Node) ReportSnapshot(id uint64, delivered bool) error {
	return n.call("ReportSnapshot", func() C.raft_status {
		return C.raft_report_snapshot(n.node, C.uint64_t(id), C.bool(delivered))
	})
}

// TakeStorageError returns the storage's last failure that made no call fail, once; nil if there was none. It
// kept the leader from sending a member what it needs, and is tried again.
func (n *Node) TakeStorageError() error {
	return n.call("TakeStorageError", func() C.raft_status {
		var found C.raft_status
		if status := C.raft_node_take_storage_error(n.node, &found); status != C.RAFT_OK {
			return status
		}
		return found
	})
}

// ConfState returns the membership in force.
func (n *Node) ConfState() (ConfState, error) {
	var state ConfState
	err := n.call("ConfState", func() C.raft_status {
		var buffer *C.raft_conf_state_buffer
		status := C.raft_node_conf_state(n.node, &buffer)
		if status == C.RAFT_OK {
			state, status = takeConfState(buffer)
		}
		return status
	})
	return state, err
}

func entryID(id C.raft_entry_id) EntryID {
	return EntryID{Term: uint64(id.term), Index: uint64(id.index)}
}
