// SPDX-License-Identifier: Apache-2.0

package raftcore

// #include "bridge.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// NodeStatus is a node's state.
type NodeStatus struct {
	ID   uint64
	Role Role
	// Term, Vote and Commit, perhaps not stored yet.
	HardState HardState
	// Leader of the term; 0 while it is not known.
	Leader uint64
	// Transferee is the target of a pending leadership transfer, or 0.
	Transferee uint64
	// Applied is the last entry known to be applied, Stabled the last one known to be stored.
	Applied uint64
	Stabled uint64
	// FirstIndex is the first entry that the storage has, 0 in a BasicStatus; Last is the last entry of the log.
	FirstIndex uint64
	Last       EntryID
	// IsVoter says whether the node itself votes.
	IsVoter bool
}

// Status returns the node's state.
func (n *Node) Status() (NodeStatus, error) {
	return n.status("Status", func(info *C.raft_node_status_info) C.raft_status { return C.raft_node_status(n.node, info) })
}

// BasicStatus returns the node's state as far as it knows it by itself: the storage is not asked, and
// FirstIndex is 0.
func (n *Node) BasicStatus() (NodeStatus, error) {
	return n.status("BasicStatus", func(info *C.raft_node_status_info) C.raft_status {
		return C.raft_node_basic_status(n.node, info)
	})
}

func (n *Node) status(op string, get func(*C.raft_node_status_info) C.raft_status) (NodeStatus, error) {
	var info C.raft_node_status_info
	info.struct_size = C.size_t(unsafe.Sizeof(info))
	err := n.call(op, func() C.raft_status { return get(&info) })
	if err != nil {
		return NodeStatus{}, err
	}
	return NodeStatus{
		ID:         uint64(info.id),
		Role:       Role(info.role),
		HardState:  HardState{Term: uint64(info.term), Vote: uint64(info.vote), Commit: uint64(info.commit)},
		Leader:     uint64(info.leader),
		Transferee: uint64(info.transferee),
		Applied:    uint64(info.applied),
		Stabled:    uint64(info.stabled),
		FirstIndex: uint64(info.first_index),
		Last:       EntryID{Term: uint64(info.last_term), Index: uint64(info.last_index)},
		IsVoter:    bool(info.is_voter),
	}, nil
}

// MessageInfo is what InspectMessage tells of a message.
type MessageInfo struct {
	Type MessageType
	From uint64
	To   uint64
	// Term of the sender; 0 in messages that are independent of terms.
	Term uint64
	// Entries is the number of entries that it carries.
	Entries uint64
}

// InspectMessage looks into an encoded message without a node: for routing and for logs. The error is
// ErrDecode if it is not a message.
func InspectMessage(message []byte, dialect Dialect) (MessageInfo, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	var info C.raft_message_info
	info.struct_size = C.size_t(unsafe.Sizeof(info))
	data, size := pointerTo(message)
	status := C.raftcore_go_inspect(data, size, C.int32_t(dialect), &info)
	if status != C.RAFT_OK {
		return MessageInfo{}, failure("InspectMessage", status, nil, nil)
	}
	return MessageInfo{
		Type:    MessageType(info._type),
		From:    uint64(info.from),
		To:      uint64(info.to),
		Term:    uint64(info.term),
		Entries: uint64(info.entries),
	}, nil
}
