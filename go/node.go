// SPDX-License-Identifier: Apache-2.0

package raftcore

// #include "bridge.h"
import "C"

import (
	"log/slog"
	"math"
	"runtime"
	"runtime/cgo"
	"sync/atomic"
	"unsafe"
)

// Node is a member of a Raft group. Its methods may be called by any goroutine; the library carries them out one
// after the other. Close it when it is of no more use.
//
// A [Storage] that is called by the node must not call the node: it gets [ErrReentrant]. It must not wait for
// another goroutine that does so either.
type Node struct {
	node *C.raft_node
	// raw is the same, for the calls that are made most: cgo looks at pointers.
	raw C.uintptr_t
	id  uint64
	// users counts the calls that are being carried out; closedBit is added when the node is closed.
	users  atomic.Int64
	freed  atomic.Bool
	handle cgo.Handle
	calls  *storageCalls
	// ready is the view that was taken last and not finished since; nil with asynchronous writes.
	ready atomic.Pointer[C.raft_ready_view]
	async bool
}

const closedBit = math.MinInt64

// New makes a node that starts from what the storage holds: a restart is the same call as the first
// start. The errors wrap ErrConfig, ErrStorage, ErrInconsistentStorage or ErrConfChange.
func New(config Config, storage Storage) (*Node, error) {
	calls := &storageCalls{storage: storage}
	handle := cgo.NewHandle(calls)
	node, err := newNode("New", config, calls, func(raw *C.raft_config, out **C.raft_node) C.raft_status {
		return C.raftcore_go_node_new(raw, C.uintptr_t(handle), out)
	})
	if err != nil {
		handle.Delete()
		return nil, err
	}
	node.handle, node.calls = handle, calls
	return node, nil
}

// NewInMemory makes a node whose log is in the library's memory, for tests and first steps: Advance stores into it
// by itself. The members are those that the group starts with, the same on all of its first nodes; without voters
// the node joins later.
func NewInMemory(config Config, members ConfState) (*Node, error) {
	return newNode("NewInMemory", config, nil, func(raw *C.raft_config, out **C.raft_node) C.raft_status {
		if len(members.Voters) == 0 {
			return C.raft_node_new_in_memory(raw, nil, out)
		}
		var pinner runtime.Pinner
		defer pinner.Unpin()
		state := members.toC(&pinner)
		return C.raft_node_new_in_memory(raw, &state, out)
	})
}

func newNode(op string, config Config, calls *storageCalls,
	create func(*C.raft_config, **C.raft_node) C.raft_status) (*Node, error) {
	// The detail of an error without a node is kept by the thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	raw, status := config.toC()
	if status != C.RAFT_OK {
		return nil, failure(op, status, nil, nil)
	}
	var node *C.raft_node
	if status := create(&raw, &node); status != C.RAFT_OK {
		return nil, failure(op, status, nil, calls.take())
	}
	n := &Node{node: node, raw: C.uintptr_t(uintptr(unsafe.Pointer(node))), id: config.ID, async: config.AsyncStorageWrites}
	runtime.SetFinalizer(n, forgotten)
	return n, nil
}

// forgotten closes a node that nobody refers to any more.
func forgotten(n *Node) {
	slog.Warn("raftcore: a node was not closed", "node", n.id)
	_ = n.Close()
}

// Close frees the node when the calls that are being carried out have ended. What [Node.Ready] returned stays
// readable, what [Node.ReadyInto] lent does not. Closing twice is allowed.
func (n *Node) Close() error {
	for {
		users := n.users.Load()
		if users < 0 {
			return nil
		}
		if n.users.CompareAndSwap(users, users+closedBit) {
			runtime.SetFinalizer(n, nil)
			if users == 0 {
				n.free()
			}
			return nil
		}
	}
}

func (n *Node) free() {
	if !n.freed.CompareAndSwap(false, true) {
		return
	}
	C.raft_ready_free(n.ready.Swap(nil))
	C.raft_node_free(n.node)
	if n.handle != 0 {
		n.handle.Delete()
	}
	n.node = nil
}

// enter begins a call, unless the node is closed. It is ended by leave or done.
func (n *Node) enter() bool {
	if n.users.Add(1) < 0 {
		n.leave()
		return false
	}
	return true
}

func (n *Node) leave() {
	if n.users.Add(-1) == closedBit {
		n.free()
	}
}

// done ends a call with what the library answered.
func (n *Node) done(op string, status C.raft_status) error {
	if status == C.RAFT_OK {
		n.leave()
		return nil
	}
	return n.failed(op, status)
}

func (n *Node) failed(op string, status C.raft_status) error {
	var cause error
	if status == C.RAFT_ERR_STORAGE {
		cause = n.calls.take()
	}
	err := failure(op, status, n.node, cause)
	n.leave()
	return err
}

// ID returns the node's id.
func (n *Node) ID() uint64 { return n.id }

// Tick tells the node that time has passed: call it at the same interval on all nodes of a group.
func (n *Node) Tick() error {
	if !n.enter() {
		return ErrClosed
	}
	return n.done("Tick", C.raftcore_go_tick(n.raw))
}

// TickN tells the node that several ticks have passed, at most 1048576: for a host that was late.
func (n *Node) TickN(count uint32) error {
	if !n.enter() {
		return ErrClosed
	}
	return n.done("TickN", C.raft_tick_n(n.node, C.uint32_t(count)))
}

// Step hands over a message from a peer, the Bytes of its [Message]. The bytes may come from anybody:
// an error changes nothing, neither term nor leader nor log. All errors but ErrCommitBeyondLog and
// ErrCommittedConflict (a member says that data was lost: stop the node) and ErrPoisoned may be logged
// and forgotten. Messages are not authenticated: the transport knows who speaks, and of which group
// ([Config.Handshake]).
func (n *Node) Step(message []byte) error {
	if !n.enter() {
		return ErrClosed
	}
	data, size := pointerTo(message)
	return n.done("Step", C.raftcore_go_step(n.raw, data, size))
}

// Propose proposes an entry; a follower passes it on to its leader.
//
// The entry is committed once a committed entry has the very ID that is returned, and lost once
// another one has its index. The ID is zero if the proposal was passed on: then nothing is known of
// its fate. The error is ErrProposalDropped if it was not taken.
func (n *Node) Propose(data []byte) (EntryID, error) {
	if !n.enter() {
		return EntryID{}, ErrClosed
	}
	pointer, size := pointerTo(data)
	placed := C.raftcore_go_propose(n.raw, pointer, size)
	return entryID(placed.id), n.done("Propose", placed.status)
}

// ProposeEntry proposes an entry of a kind with a payload that the host has encoded itself, as Propose. The
// error is ErrProposalDropped also if the payload of a membership change cannot be decoded.
func (n *Node) ProposeEntry(kind EntryKind, data []byte) (EntryID, error) {
	if !n.enter() {
		return EntryID{}, ErrClosed
	}
	var placed C.raft_entry_id
	pointer, size := pointerTo(data)
	err := n.done("ProposeEntry", C.raftcore_go_propose_entry(n.node, C.int32_t(kind), pointer, size, &placed))
	return entryID(placed), err
}

// ProposeBatch proposes several entries at once, as Propose: all of them, one after the other, or none. The ID is
// that of the first; the others follow at the next indexes, in the same term.
func (n *Node) ProposeBatch(payloads [][]byte) (EntryID, error) {
	total := 0
	for _, data := range payloads {
		total += len(data)
	}
	if !n.enter() {
		return EntryID{}, ErrClosed
	}
	// The payloads are copied once, into a block that the library takes over.
	block := C.raftcore_go_block(C.size_t(len(payloads)), C.size_t(total))
	if block == nil {
		return EntryID{}, n.failed("ProposeBatch", C.RAFT_ERR_NO_MEMORY)
	}
	sizes := unsafe.Slice((*C.size_t)(block), len(payloads))
	bytes := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(block), len(payloads)*int(unsafe.Sizeof(sizes[0])))), total)
	for i, data := range payloads {
		sizes[i] = C.size_t(len(data))
		copy(bytes, data)
		bytes = bytes[len(data):]
	}
	first := C.raftcore_go_propose_block(n.raw, block, C.size_t(len(payloads)))
	return entryID(first.id), n.done("ProposeBatch", first.status)
}

// StepBatch hands over several messages, as Step, in this order: cheaper than one by one, and what they cause is
// answered in one Ready. All are handed over, also if one is refused; the error is that of the first one refused.
// results may be nil; otherwise it is as long as messages, and gets what Step would have answered, 0 for success.
func (n *Node) StepBatch(messages [][]byte, results []Status) error {
	if results != nil && len(results) < len(messages) {
		return &Error{Op: "StepBatch", Status: ErrInvalidArgument, Detail: "results is shorter than messages"}
	}
	if len(messages) == 0 {
		return nil
	}
	if !n.enter() {
		return ErrClosed
	}
	work := borrow()
	defer work.release()
	slices := work.slicesOf(messages)
	return n.done("StepBatch", C.raftcore_go_step_batch(n.raw, unsafe.SliceData(slices), C.size_t(len(slices)),
		(*C.raft_status)(unsafe.SliceData(results))))
}

// Campaign starts an election now, without waiting for the election timeout. It does nothing on a
// leader, and on a node that does not vote.
func (n *Node) Campaign() error {
	if !n.enter() {
		return ErrClosed
	}
	return n.done("Campaign", C.raft_campaign(n.node))
}

// TransferLeader asks that node to become leader. A follower passes the request on. TakeTransferOutcome
// of the node that led has the outcome.
func (n *Node) TransferLeader(to uint64) error {
	if !n.enter() {
		return ErrClosed
	}
	return n.done("TransferLeader", C.raft_transfer_leader(n.node, C.uint64_t(to)))
}

// TakeTransferOutcome returns how the last leadership transfer that this node began as a leader ended, once.
// Its Result is TransferNone if there is nothing to report. To be asked after Tick and Advance while a transfer
// is pending; if the node lost its leadership meanwhile, there is an outcome when it knows the next leader.
func (n *Node) TakeTransferOutcome() (TransferOutcome, error) {
	var to C.uint64_t
	var result C.int32_t
	if !n.enter() {
		return TransferOutcome{}, ErrClosed
	}
	err := n.done("TakeTransferOutcome", C.raft_node_take_transfer_outcome(n.node, &to, &result))
	return TransferOutcome{To: uint64(to), Result: TransferResult(result)}, err
}

// ForgetLeader makes a follower forget its leader, so that it may vote at once.
func (n *Node) ForgetLeader() error {
	if !n.enter() {
		return ErrClosed
	}
	return n.done("ForgetLeader", C.raft_forget_leader(n.node))
}

// ReadIndex asks for the index that a linearizable read has to wait for. The answer is a ReadState
// with the same context. It may never come: ask again after a timeout, with another context.
func (n *Node) ReadIndex(context []byte) error {
	if !n.enter() {
		return ErrClosed
	}
	data, size := pointerTo(context)
	return n.done("ReadIndex", C.raftcore_go_read_index(n.raw, data, size))
}

// ReportUnreachable reports that a message to a node was lost, as far as the host knows. Call it on
// every node for every loss, as soon as it is known: what may be lost is sent again at once, a few
// times until the node is heard from.
func (n *Node) ReportUnreachable(id uint64) error {
	if !n.enter() {
		return ErrClosed
	}
	return n.done("ReportUnreachable", C.raft_report_unreachable(n.node, C.uint64_t(id)))
}

// ReportSnapshot reports what became of a MessageSnapshot to a node. Required after each of them:
// the leader sends nothing more to the node until it hears from it, or of this.
func (n *Node) ReportSnapshot(id uint64, delivered bool) error {
	if !n.enter() {
		return ErrClosed
	}
	return n.done("ReportSnapshot", C.raft_report_snapshot(n.node, C.uint64_t(id), C.bool(delivered)))
}

func entryID(id C.raft_entry_id) EntryID {
	return EntryID{Term: uint64(id.term), Index: uint64(id.index)}
}
