// SPDX-License-Identifier: Apache-2.0

package raftcore

// #include "bridge.h"
import "C"

import (
	"fmt"
	"runtime"
	"slices"
	"unsafe"
)

// Role is a node's role in its group.
type Role int32

// The roles.
const (
	Follower     Role = C.RAFT_ROLE_FOLLOWER
	PreCandidate Role = C.RAFT_ROLE_PRE_CANDIDATE
	Candidate    Role = C.RAFT_ROLE_CANDIDATE
	Leader       Role = C.RAFT_ROLE_LEADER
)

// String names the role.
func (r Role) String() string {
	names := [...]string{"follower", "pre-candidate", "candidate", "leader"}
	if r < 0 || int(r) >= len(names) {
		return fmt.Sprintf("role %d", int32(r))
	}
	return names[r]
}

// EntryKind says what an entry's data means to Raft.
type EntryKind int32

// The kinds.
const (
	// EntryNormal: the data is the host's. It is empty at the start of each term.
	EntryNormal EntryKind = C.RAFT_ENTRY_NORMAL
	// EntryConfChange: a membership change of the first version (one operation).
	EntryConfChange EntryKind = C.RAFT_ENTRY_CONF_CHANGE
	// EntryConfChangeV2: a membership change of the second version.
	EntryConfChangeV2 EntryKind = C.RAFT_ENTRY_CONF_CHANGE_V2
)

// EntryKindStated in Entry.Flags: the entry's encoding states the kind although it is the default. Store the
// flags with the entry: peers of the etcd family count encoded bytes. The flag says how the bytes were, and
// nothing about the entry. Peers of the TiKV family never state a default kind: an entry that went through
// one of them comes without it, and is the same entry.
const EntryKindStated uint32 = C.RAFT_ENTRY_KIND_STATED

// Entry is one entry of the log. Hosts store all of it.
type Entry struct {
	Term  uint64
	Index uint64
	Kind  EntryKind
	// Flags belongs to the library: store it and give it back unchanged.
	Flags uint32
	Data  []byte
}

// EntryID is the place of an entry. Term and index together identify an entry and all before it.
type EntryID struct {
	Term  uint64
	Index uint64
}

// HardState is what a node must find again after a restart, besides its log.
type HardState struct {
	Term   uint64
	Vote   uint64
	Commit uint64
}

// SoftState is what a node knows of its group right now. It is not stored.
type SoftState struct {
	// Leader of the current term; 0 while it is not known.
	Leader uint64
	Role   Role
}

// ConfState is a group's membership.
type ConfState struct {
	// Voters; while the configuration is joint, those of the incoming half.
	Voters []uint64
	// Learners get the log and do not vote.
	Learners []uint64
	// VotersOutgoing are the voters of the outgoing half; none unless the configuration is joint.
	VotersOutgoing []uint64
	// LearnersNext are outgoing voters that become learners when the joint configuration is left.
	LearnersNext []uint64
	// AutoLeave says that the leader leaves the joint configuration by itself.
	AutoLeave bool
}

// Clone returns a copy that shares nothing.
func (c ConfState) Clone() ConfState {
	c.Voters = slices.Clone(c.Voters)
	c.Learners = slices.Clone(c.Learners)
	c.VotersOutgoing = slices.Clone(c.VotersOutgoing)
	c.LearnersNext = slices.Clone(c.LearnersNext)
	return c
}

// Snapshot is the state of the replicated state machine at a point of the log.
type Snapshot struct {
	// Term and Index are those of the last entry it covers.
	Term  uint64
	Index uint64
	// ConfState is the membership at that point.
	ConfState ConfState
	// Data is the host's.
	Data []byte
}

// ConfChangeType is an operation on the membership.
type ConfChangeType int32

// The operations.
const (
	AddVoter   ConfChangeType = C.RAFT_CONF_ADD_VOTER
	RemoveNode ConfChangeType = C.RAFT_CONF_REMOVE
	UpdateNode ConfChangeType = C.RAFT_CONF_UPDATE
	AddLearner ConfChangeType = C.RAFT_CONF_ADD_LEARNER
)

// ConfChangeOp is one operation of a membership change.
type ConfChangeOp struct {
	Type ConfChangeType
	Node uint64
}

// Transition says how a membership change uses joint consensus.
type Transition int32

// The transitions.
const (
	// TransitionAuto: joint only if there is more than one operation, and left automatically.
	TransitionAuto Transition = C.RAFT_TRANSITION_AUTO
	// TransitionImplicit: joint, and left automatically.
	TransitionImplicit Transition = C.RAFT_TRANSITION_IMPLICIT
	// TransitionExplicit: joint, and left by a further change without operations.
	TransitionExplicit Transition = C.RAFT_TRANSITION_EXPLICIT
)

// ConfChange is a change of the membership. The zero value leaves a joint configuration.
type ConfChange struct {
	Transition Transition
	Ops        []ConfChangeOp
	// Context is the host's own data for the entry.
	Context []byte
}

func idsOf(array *C.uint64_t, length C.size_t) []uint64 {
	if length == 0 {
		return nil
	}
	return slices.Clone(unsafe.Slice((*uint64)(array), int(length)))
}

func hardStateOf(state *C.raft_hard_state) HardState {
	return HardState{Term: uint64(state.term), Vote: uint64(state.vote), Commit: uint64(state.commit)}
}

func confStateOf(state *C.raft_conf_state) ConfState {
	return ConfState{
		Voters:         idsOf(state.voters, state.voters_len),
		Learners:       idsOf(state.learners, state.learners_len),
		VotersOutgoing: idsOf(state.voters_outgoing, state.voters_outgoing_len),
		LearnersNext:   idsOf(state.learners_next, state.learners_next_len),
		AutoLeave:      bool(state.auto_leave),
	}
}

// takeConfState copies and frees a membership of the library's.
func takeConfState(buffer *C.raft_conf_state_buffer) (ConfState, C.raft_status) {
	defer C.raft_conf_state_buffer_free(buffer)
	var view C.raft_conf_state
	status := C.raft_conf_state_buffer_view(buffer, &view)
	if status != C.RAFT_OK {
		return ConfState{}, status
	}
	return confStateOf(&view), status
}

func snapshotOf(snapshot *C.raft_snapshot) *Snapshot {
	return &Snapshot{
		Term:      uint64(snapshot.term),
		Index:     uint64(snapshot.index),
		ConfState: confStateOf(&snapshot.conf_state),
		Data:      bytesOf(snapshot.data),
	}
}

// pinned gives the address of what C borrows inside of a struct; the pinner keeps it in place.
func pinned[To, From any](pinner *runtime.Pinner, data []From) (*To, C.size_t) {
	if len(data) == 0 {
		return nil, 0
	}
	pinner.Pin(unsafe.SliceData(data))
	return (*To)(unsafe.Pointer(unsafe.SliceData(data))), C.size_t(len(data))
}

// toC describes the membership to C; valid until the pinner is unpinned.
func (c ConfState) toC(pinner *runtime.Pinner) C.raft_conf_state {
	var state C.raft_conf_state
	state.voters, state.voters_len = pinned[C.uint64_t](pinner, c.Voters)
	state.learners, state.learners_len = pinned[C.uint64_t](pinner, c.Learners)
	state.voters_outgoing, state.voters_outgoing_len = pinned[C.uint64_t](pinner, c.VotersOutgoing)
	state.learners_next, state.learners_next_len = pinned[C.uint64_t](pinner, c.LearnersNext)
	state.auto_leave = C.bool(c.AutoLeave)
	return state
}

// TransferOutcome is how a leadership transfer ended.
type TransferOutcome struct {
	// To is the target.
	To     uint64
	Result TransferResult
}

// TransferResult is what became of a leadership transfer.
type TransferResult int32

// The results; the header raftcore.h explains them.
const (
	TransferNone        TransferResult = C.RAFT_TRANSFER_NONE
	TransferDone        TransferResult = C.RAFT_TRANSFER_DONE
	TransferTimedOut    TransferResult = C.RAFT_TRANSFER_TIMED_OUT
	TransferCancelled   TransferResult = C.RAFT_TRANSFER_CANCELLED
	TransferNotVoter    TransferResult = C.RAFT_TRANSFER_NOT_VOTER
	TransferOtherLeader TransferResult = C.RAFT_TRANSFER_OTHER_LEADER
)
