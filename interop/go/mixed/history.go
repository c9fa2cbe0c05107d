// SPDX-License-Identifier: Apache-2.0

package mixed

import (
	"fmt"
	"slices"

	raftcore "raftcore.example/go"
)

// history is what a group has agreed on so far, seen from outside. What contradicts it breaks Raft's
// safety, at the moment at which it happens.
type history struct {
	// states is the hash of the state machine after each entry. It covers terms and data of all
	// entries before: equal hashes are equal logs.
	states map[uint64]uint64
	// members is the membership after each entry that changed it.
	members map[uint64]string
	// joined are all nodes that have ever been members.
	joined map[uint64]bool
	// leaders of each term.
	leaders map[uint64]uint64
	// applied is the highest index that any node has ever applied.
	applied uint64
	// conf is the newest membership, in force since entry confIndex.
	conf      raftcore.ConfState
	confIndex uint64
}

func newHistory(members raftcore.ConfState) *history {
	h := &history{
		states:    map[uint64]uint64{1: 0},
		members:   map[uint64]string{},
		leaders:   map[uint64]uint64{},
		applied:   1,
		conf:      members,
		joined:    map[uint64]bool{},
		confIndex: 1,
	}
	h.join(members)
	return h
}

func (h *history) join(state raftcore.ConfState) {
	for _, id := range allMembers(state) {
		h.joined[id] = true
	}
}

// State Machine Safety, and with it Log Matching of all that is committed.
func (h *history) reached(id uint64, m machine) error {
	known, ok := h.states[m.applied]
	if ok && known != m.hash {
		return fmt.Errorf("node %d applied another entry than others at or before index %d", id, m.applied)
	}
	h.states[m.applied] = m.hash
	h.applied = max(h.applied, m.applied)
	return nil
}

// All nodes draw the same membership from the same log.
func (h *history) changed(id, index uint64, state raftcore.ConfState) error {
	text := canonical(state)
	if known, ok := h.members[index]; ok && known != text {
		return fmt.Errorf("node %d has the membership %s after entry %d, others have %s", id, text, index, known)
	}
	h.members[index] = text
	h.join(state)
	if index > h.confIndex {
		h.conf, h.confIndex = state, index
	}
	return nil
}

// Election Safety: at most one leader in a term. Tells whether the leader is new.
func (h *history) leads(id, term uint64) (bool, error) {
	known, ok := h.leaders[term]
	if ok && known != id {
		return false, fmt.Errorf("nodes %d and %d both lead term %d", known, id, term)
	}
	h.leaders[term] = id
	return !ok, nil
}

func canonical(state raftcore.ConfState) string {
	state = state.Clone()
	for _, ids := range [][]uint64{state.Voters, state.Learners, state.VotersOutgoing, state.LearnersNext} {
		slices.Sort(ids)
	}
	return fmt.Sprintf("voters %v learners %v outgoing %v next %v auto %t",
		state.Voters, state.Learners, state.VotersOutgoing, state.LearnersNext, state.AutoLeave)
}

// allMembers lists everybody who belongs to a membership.
func allMembers(state raftcore.ConfState) []uint64 {
	all := slices.Concat(state.Voters, state.Learners, state.VotersOutgoing)
	slices.Sort(all)
	return slices.Compact(all)
}
