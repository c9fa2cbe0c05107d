// SPDX-License-Identifier: Apache-2.0

package raftcore

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

func TestANodeJoinsByASnapshot(t *testing.T) {
	g := newGroup(t, 1, 2, 3)
	g.lead(t, 1)
	joiner := g.add(t, 4, NewMemoryStorage(ConfState{}), 0)
	change := ConfChange{
		Transition: TransitionImplicit,
		Ops:        []ConfChangeOp{{Type: AddVoter, Node: 4}, {Type: RemoveNode, Node: 3}},
		Context:    []byte("four for three"),
	}
	_, err := g[1].ProposeConfChange(change)
	must(t, err)
	g.settle(t)
	for range 3 { // a message to node 3 may have been lost with its membership
		must(t, g[1].Tick())
		g.settle(t)
	}
	if len(joiner.applied) == 0 || joiner.applied[0] != "state" {
		t.Errorf("node 4 applied %q", joiner.applied)
	}
	for _, id := range []uint64{1, 2, 4} {
		state, err := g[id].ConfState()
		must(t, err)
		if !slices.Equal(state.Voters, []uint64{1, 2, 4}) || len(state.VotersOutgoing) != 0 {
			t.Errorf("node %d has the membership %+v", id, state)
		}
	}
}

// onDemand makes its snapshots when it is asked for one; the last that it stored lists no new member.
type onDemand struct {
	*MemoryStorage
	asked []uint64
	err   error
}

func (s *onDemand) SnapshotFor(peer uint64) (Snapshot, error) {
	s.asked = append(s.asked, peer)
	if s.err != nil {
		return Snapshot{}, s.err
	}
	snapshot, err := s.Snapshot()
	snapshot.ConfState.Voters = append(slices.Clone(snapshot.ConfState.Voters), peer)
	return snapshot, err
}

// addsAfterCompaction has a leader add node 2, to which it can only send a snapshot; what it sends.
func addsAfterCompaction(t *testing.T, storage *onDemand) (*Node, []MessageType) {
	t.Helper()
	node, err := New(DefaultConfig(1), storage)
	must(t, err)
	t.Cleanup(func() { _ = node.Close() })
	g := group{1: &member{Node: node, storage: storage.MemoryStorage}}
	g.lead(t, 1)
	_, err = node.ProposeConfChange(ConfChange{Ops: []ConfChangeOp{{Type: AddVoter, Node: 2}}})
	must(t, err)
	var sent []MessageType
	for range 20 {
		for ready, err := node.Ready(); ready != nil || err != nil; ready, err = node.Ready() {
			must(t, err)
			must(t, storage.Store(ready))
			for _, message := range ready.Messages {
				sent = append(sent, message.Type)
			}
			for _, entry := range ready.CommittedEntries {
				if entry.Kind != EntryNormal {
					_, err := node.ApplyConfChange(entry)
					must(t, err)
					must(t, storage.MakeSnapshot(entry.Index, nil))
					must(t, storage.Compact(entry.Index))
				}
			}
			must(t, node.Advance(ready))
		}
		must(t, node.Tick())
	}
	return node, sent
}

func TestASnapshotIsMadeForThePeer(t *testing.T) {
	storage := &onDemand{MemoryStorage: NewMemoryStorage(ConfState{Voters: []uint64{1}})}
	node, sent := addsAfterCompaction(t, storage)
	if !slices.Contains(storage.asked, 2) || !slices.Contains(sent, MessageSnapshot) {
		t.Fatalf("asked for %v, sent %v", storage.asked, sent)
	}
	must(t, node.TakeStorageError())
}

func TestWhatCannotBeSentIsAnErrorToTake(t *testing.T) {
	storage := &onDemand{MemoryStorage: NewMemoryStorage(ConfState{Voters: []uint64{1}}), err: errors.New("no disk")}
	node, sent := addsAfterCompaction(t, storage)
	if slices.Contains(sent, MessageSnapshot) {
		t.Error("a snapshot that could not be made was sent")
	}
	if err := node.TakeStorageError(); err == nil {
		t.Error("nothing is known of the failure")
	}
	must(t, node.TakeStorageError())
}

func TestEntriesOfAKindCarryTheHostsBytes(t *testing.T) {
	g := newGroup(t, 1)
	g.lead(t, 1)
	node := g[1].Node
	numbered, err := node.ProposeConfChangeV1(0x0123, ConfChangeOp{Type: AddLearner, Node: 2}, []byte("where"))
	must(t, err)
	g.settle(t)
	entries, err := g[1].storage.Entries(numbered.Index, numbered.Index+1, NoLimit)
	must(t, err)
	if entry := entries[0]; entry.Kind != EntryConfChange || !bytes.HasPrefix(entry.Data, []byte{0x08, 0xa3, 0x02}) {
		t.Fatalf("the entry: %+v", entry)
	}
	data := bytes.Replace(entries[0].Data, []byte{0x18, 2}, []byte{0x18, 3}, 1) // node 3
	placed, err := node.ProposeEntry(EntryConfChange, data)
	must(t, err)
	g.settle(t)
	same, err := g[1].storage.Entries(placed.Index, placed.Index+1, NoLimit)
	must(t, err)
	if !bytes.Equal(same[0].Data, data) {
		t.Errorf("the bytes have changed: %x", same[0].Data)
	}
	if _, err := node.ProposeEntry(EntryConfChangeV2, []byte{0x7f}); !errors.Is(err, ErrProposalDropped) {
		t.Errorf("bytes that are no change: %v", err)
	}
}
