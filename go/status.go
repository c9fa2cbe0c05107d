// SPDX-License-Identifier: Apache-2.0

package raftcore

// #include "bridge.h"
import "C"

import "unsafe"

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
	if !n.enter() {
		return NodeStatus{}, ErrClosed
	}
	var info C.raft_node_status_info
	info.struct_size = C.size_t(unsafe.Sizeof(info))
	err := n.done("Status", C.raft_node_status(n.node, &info))
	return statusOf(&info), err
}

// BasicStatus returns the node's state as far as it knows it by itself: the storage is not asked, and
// FirstIndex is 0.
func (n *Node) BasicStatus() (NodeStatus, error) {
	if !n.enter() {
		return NodeStatus{}, ErrClosed
	}
	answer := C.raftcore_go_get_basic_status(n.raw)
	return statusOf(&answer.info), n.done("BasicStatus", answer.status)
}

func statusOf(info *C.raft_node_status_info) NodeStatus {
	return NodeStatus{
		ID:         uint64(info.id),
		Role:       Role(info.role),
		HardState:  HardState{Term: uint64(info.term), Vote: uint64(info.vote), Commit: uint64(info.commit)},
		Leader:     uint64(info.leader),
		Transferee: uint64(info.transferee),
		Applied:    uint64(info.applied),
		Stabled:    uint64(info.persisted),
		FirstIndex: uint64(info.first_index),
		Last:       EntryID{Term: uint64(info.last_term), Index: uint64(info.last_index)},
		IsVoter:    bool(info.is_voter),
	}
}

// HardState returns term, vote and commit index as they are now, perhaps not stored yet.
func (n *Node) HardState() (HardState, error) {
	if !n.enter() {
		return HardState{}, ErrClosed
	}
	answer := C.raftcore_go_get_hard_state(n.raw)
	return hardStateOf(&answer.state), n.done("HardState", answer.status)
}

// SoftState returns leader and role as they are now.
func (n *Node) SoftState() (SoftState, error) {
	if !n.enter() {
		return SoftState{}, ErrClosed
	}
	answer := C.raftcore_go_get_soft_state(n.raw)
	return SoftState{Leader: uint64(answer.state.leader), Role: Role(answer.state.role)}, n.done("SoftState", answer.status)
}

// Config returns the configuration that the node was made with.
func (n *Node) Config() (Config, error) {
	if !n.enter() {
		return Config{}, ErrClosed
	}
	var config C.raft_config
	config.struct_size = C.size_t(unsafe.Sizeof(config))
	err := n.done("Config", C.raft_node_config(n.node, &config))
	return configOf(&config), err
}

// StatusJSON returns the node's state, membership and (on a leader) progress as one JSON object, for people and
// for metrics. Members may be added in later versions.
func (n *Node) StatusJSON() ([]byte, error) {
	if !n.enter() {
		return nil, ErrClosed
	}
	text := make([]byte, 1024)
	for {
		var needed C.size_t
		status := C.raft_node_status_json(n.node, (*C.char)(unsafe.Pointer(unsafe.SliceData(text))), C.size_t(len(text)), &needed)
		if status == C.RAFT_ERR_TOO_LARGE { // the state may grow between two calls
			text = make([]byte, int(needed)+256)
			continue
		}
		if err := n.done("StatusJSON", status); err != nil {
			return nil, err
		}
		return text[:needed-1], nil // without NUL
	}
}

// ProgressState says how a leader sends to a member.
type ProgressState int32

// The states.
const (
	// ProgressProbe: where the member's log ends is unknown; one message at a time until it accepts.
	ProgressProbe ProgressState = C.RAFT_PROGRESS_PROBE
	// ProgressReplicate: messages are pipelined.
	ProgressReplicate ProgressState = C.RAFT_PROGRESS_REPLICATE
	// ProgressSnapshot: the member needs a snapshot; nothing is sent until it has one.
	ProgressSnapshot ProgressState = C.RAFT_PROGRESS_SNAPSHOT
)

// Progress is what a leader knows of a member.
type Progress struct {
	ID uint64
	// Matched is the highest index known to be in its log, Next the next index to send.
	Matched uint64
	Next    uint64
	// PendingSnapshot is the index of a snapshot on its way, or 0.
	PendingSnapshot uint64
	State           ProgressState
	IsLearner       bool
	// IsPaused: nothing is sent until it answers.
	IsPaused bool
	// IsActive: it was heard from since the last quorum check.
	IsActive bool
	// IsInflightFull: as many Appends are on their way as are allowed.
	IsInflightFull   bool
	InflightMessages uint64
	InflightBytes    uint64
}

// Progress returns what a leader knows of each member, itself included, in the order of their ids; nothing on other
// nodes.
func (n *Node) Progress() ([]Progress, error) {
	if !n.enter() {
		return nil, ErrClosed
	}
	members := make([]C.raft_progress, 8)
	var length C.size_t
	for {
		status := C.raft_node_progress(n.node, unsafe.SliceData(members), C.size_t(len(members)), &length)
		if status == C.RAFT_ERR_TOO_LARGE {
			members = make([]C.raft_progress, length)
			continue
		}
		if err := n.done("Progress", status); err != nil {
			return nil, err
		}
		break
	}
	list := make([]Progress, 0, int(length))
	for _, member := range members[:length] {
		list = append(list, Progress{
			ID:               uint64(member.id),
			Matched:          uint64(member.matched),
			Next:             uint64(member.next),
			PendingSnapshot:  uint64(member.pending_snapshot),
			State:            ProgressState(member.state),
			IsLearner:        bool(member.is_learner),
			IsPaused:         bool(member.is_paused),
			IsActive:         bool(member.is_active),
			IsInflightFull:   bool(member.is_inflight_full),
			InflightMessages: uint64(member.inflight_messages),
			InflightBytes:    uint64(member.inflight_bytes),
		})
	}
	return list, nil
}

// CheckInvariants checks everything that must hold within a node, whatever peers and hosts do; for tests, and for
// hosts that would rather stop than go on with a defect. The error is ErrInvariant, and names the condition.
func (n *Node) CheckInvariants() error {
	if !n.enter() {
		return ErrClosed
	}
	return n.done("CheckInvariants", C.raft_node_check_invariants(n.node))
}

// TakeStorageError returns the storage's last failure that made no call fail, once; nil if there was none. It
// kept the leader from sending a member what it needs, and is tried again.
func (n *Node) TakeStorageError() error {
	if !n.enter() {
		return ErrClosed
	}
	var found C.raft_status
	status := C.raft_node_take_storage_error(n.node, &found)
	if status == C.RAFT_OK {
		status = found
	}
	return n.done("TakeStorageError", status)
}
