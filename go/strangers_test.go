// SPDX-License-Identifier: Apache-2.0

package raftcore

import (
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"testing"
)

// Fields of raftpb.Message.
const (
	fieldType, fieldTo, fieldFrom, fieldTerm, fieldLogTerm, fieldIndex, fieldCommit = 1, 2, 3, 4, 5, 6, 8

	typeAppend, typeVote, typeVoteReply, typeHeartbeat = 3, 5, 6, 8
)

// encodeMessage encodes a message of numbers alone.
func encodeMessage(fields map[uint64]uint64) []byte {
	var out []byte
	for number, value := range fields {
		out = binary.AppendUvarint(out, number<<3)
		out = binary.AppendUvarint(out, value)
	}
	return out
}

// everything is all that can be seen of a node.
func everything(t *testing.T, n *Node) any {
	t.Helper()
	status, err := n.Status()
	must(t, err)
	return []any{status, n.HasReady()}
}

func TestAMessageThatIsRefusedChangesNothing(t *testing.T) {
	const member, stranger = 2, 77
	for _, leads := range []bool{false, true} {
		g := newGroup(t, 1, 2, 3)
		if leads {
			must(t, g[1].Campaign())
			g.settle(t)
		}
		before := everything(t, g[1].Node)
		for _, refused := range []struct {
			kind, from, term uint64
			more             map[uint64]uint64
			status           Status
		}{
			{typeHeartbeat, stranger, math.MaxUint64, nil, ErrInvalidMessage},
			{typeHeartbeat, member, math.MaxUint64 - 1<<32 + 1, nil, ErrInvalidMessage},
			{typeVote, member, 3 + 1<<32, nil, ErrInvalidMessage},
			{typeHeartbeat, stranger, 1000, map[uint64]uint64{fieldCommit: 1 << 30}, ErrInvalidMessage},
			{typeHeartbeat, member, 1000, map[uint64]uint64{fieldCommit: 1 << 30}, ErrCommitBeyondLog},
			{typeAppend, stranger, 1000, map[uint64]uint64{fieldLogTerm: 9, fieldIndex: 1}, ErrInvalidMessage},
			{typeAppend, member, 1000, map[uint64]uint64{fieldLogTerm: 9, fieldIndex: 1}, ErrCommittedConflict},
			{typeAppend, member, 1000, map[uint64]uint64{fieldLogTerm: 1001, fieldIndex: 1}, ErrInvalidMessage},
			{typeVote, member, 1000, map[uint64]uint64{fieldLogTerm: 1001, fieldIndex: 9}, ErrInvalidMessage},
			{typeVoteReply, stranger, 1000, nil, ErrPeerNotFound},
		} {
			fields := map[uint64]uint64{fieldType: refused.kind, fieldTo: 1, fieldFrom: refused.from, fieldTerm: refused.term}
			for number, value := range refused.more {
				fields[number] = value
			}
			if err := g[1].Step(encodeMessage(fields)); !errors.Is(err, refused.status) {
				t.Errorf("%+v: %v", refused, err)
			}
			if now := everything(t, g[1].Node); !reflect.DeepEqual(now, before) {
				t.Errorf("%+v: from %+v to %+v", refused, before, now)
			}
		}
	}
}

func TestALeaderThatIsNoMemberYetIsFollowed(t *testing.T) {
	g := newGroup(t, 1, 2, 3)
	status, err := g[1].Status()
	must(t, err)
	highest := status.HardState.Term + 1<<32
	must(t, g[1].Step(encodeMessage(map[uint64]uint64{
		fieldType: typeHeartbeat, fieldTo: 1, fieldFrom: 77, fieldTerm: highest,
	})))
	status, err = g[1].Status()
	must(t, err)
	if status.HardState.Term != highest || status.Leader != 77 {
		t.Errorf("term %d, leader %d", status.HardState.Term, status.Leader)
	}
}
