// SPDX-License-Identifier: Apache-2.0

package raftcore

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// member is a node with what its host keeps.
type member struct {
	*Node
	storage *MemoryStorage
	applied []string
	index   uint64
	reads   []ReadState
}

// group is a group of nodes whose messages all arrive.
type group map[uint64]*member

func newGroup(t *testing.T, ids ...uint64) group {
	t.Helper()
	g := group{}
	for _, id := range ids {
		g.add(t, id, NewMemoryStorage(ConfState{Voters: ids}), 0)
	}
	return g
}

func (g group) add(t *testing.T, id uint64, storage *MemoryStorage, applied uint64) *member {
	t.Helper()
	config := DefaultConfig(id)
	config.Applied = applied
	node, err := New(config, storage)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Close() })
	g[id] = &member{Node: node, storage: storage}
	return g[id]
}

// settle drives all nodes until none has work.
func (g group) settle(t *testing.T) {
	t.Helper()
	for round, worked := 0, true; worked; round++ {
		if round == 1000 {
			t.Fatal("the group does not come to rest")
		}
		worked = false
		for id := range g {
			worked = g.drive(t, id) || worked
		}
	}
}

func (g group) drive(t *testing.T, id uint64) bool {
	t.Helper()
	m := g[id]
	ready, err := m.Ready()
	must(t, err)
	if ready == nil {
		return false
	}
	must(t, m.storage.Store(ready))
	if ready.Snapshot != nil {
		m.index = ready.Snapshot.Index
		m.applied = []string{string(ready.Snapshot.Data)}
	}
	for _, message := range ready.Messages {
		to, ok := g[message.To]
		if !ok {
			continue
		}
		// A node that was just removed may not know it, and still answer.
		if err := to.Step(message.Bytes); !errors.Is(err, ErrPeerNotFound) {
			must(t, err)
		}
		if message.Type == MessageSnapshot {
			must(t, m.ReportSnapshot(message.To, true))
		}
	}
	for _, entry := range ready.CommittedEntries {
		m.index = entry.Index
		if entry.Kind == EntryNormal {
			m.applied = append(m.applied, string(entry.Data))
			continue
		}
		state, err := m.ApplyConfChange(entry)
		must(t, err)
		m.storage.SetConfState(state)
		// A snapshot that does not list a new member would be of no use to it.
		must(t, m.storage.MakeSnapshot(m.index, []byte("state")))
	}
	m.reads = append(m.reads, ready.ReadStates...)
	must(t, m.Advance(ready))
	return true
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (g group) lead(t *testing.T, id uint64) {
	t.Helper()
	must(t, g[id].Campaign())
	g.settle(t)
	status, err := g[id].Status()
	must(t, err)
	if status.Role != Leader || status.Leader != id {
		t.Fatalf("node %d does not lead: %+v", id, status)
	}
}

func TestReplicates(t *testing.T) {
	g := newGroup(t, 1, 2, 3)
	g.lead(t, 1)
	placed, err := g[1].Propose([]byte("one"))
	must(t, err)
	if placed != (EntryID{Term: 2, Index: 3}) { // 2/2 is the empty entry of the term
		t.Errorf("the entry was placed at %+v", placed)
	}
	passedOn, err := g[2].Propose([]byte("two"))
	must(t, err)
	if passedOn != (EntryID{}) {
		t.Errorf("a follower knows the place of what it passed on: %+v", passedOn)
	}
	g.settle(t)
	for id, m := range g {
		if !slices.Equal(m.applied, []string{"", "one", "two"}) {
			t.Errorf("node %d applied %q", id, m.applied)
		}
	}
}

func TestReadsAndTransfersLeadership(t *testing.T) {
	g := newGroup(t, 1, 2, 3)
	g.lead(t, 1)
	must(t, g[3].ReadIndex([]byte("read")))
	g.settle(t)
	if len(g[3].reads) != 1 || string(g[3].reads[0].Context) != "read" || g[3].reads[0].Index != 2 {
		t.Errorf("the read was answered by %+v", g[3].reads)
	}
	if err := g[1].TransferLeader(9); !errors.Is(err, ErrInvalidTransferee) {
		t.Errorf("a stranger became leader: %v", err)
	}
	must(t, g[1].TransferLeader(2))
	g.settle(t)
	outcome, err := g[1].TakeTransferOutcome()
	must(t, err)
	if outcome != (TransferOutcome{To: 2, Result: TransferDone}) {
		t.Errorf("the transfer ended as %+v", outcome)
	}
	status, err := g[2].Status()
	must(t, err)
	if status.Role != Leader || status.Role.String() != "leader" {
		t.Errorf("leadership did not move: %+v", status)
	}
}

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

func TestARestartGoesOnWhereItStopped(t *testing.T) {
	g := newGroup(t, 1)
	g.lead(t, 1)
	_, err := g[1].Propose([]byte("kept"))
	must(t, err)
	g.settle(t)
	must(t, g[1].Close())

	again := g.add(t, 1, g[1].storage, g[1].index)
	g.lead(t, 1)
	if !slices.Equal(again.applied, []string{""}) {
		t.Errorf("what was applied came again, or the term's entry did not: %q", again.applied)
	}
	entries, err := again.storage.Entries(2, 5, NoLimit)
	must(t, err)
	if !bytes.Equal(entries[1].Data, []byte("kept")) {
		t.Errorf("the log lost an entry: %+v", entries)
	}
}

func TestADiscardedReadyComesAgain(t *testing.T) {
	g := newGroup(t, 1)
	must(t, g[1].Campaign())
	first, err := g[1].Ready()
	must(t, err)
	if _, err := g[1].Ready(); !errors.Is(err, ErrReadyOutstanding) {
		t.Errorf("two at a time: %v", err)
	}
	must(t, g[1].Discard(first))
	second, err := g[1].Ready()
	must(t, err)
	if second == nil || fmt.Sprint(first.SoftState, first.Messages) != fmt.Sprint(second.SoftState, second.Messages) {
		t.Fatalf("%+v came again as %+v", first, second)
	}
	for name, stale := range map[string]*Ready{"discarded": first, "empty": {}, "nil": nil} {
		if err := g[1].Advance(stale); !errors.Is(err, ErrForeignReady) {
			t.Errorf("a Ready that is %s was advanced: %v", name, err)
		}
	}
	must(t, g[1].Advance(second))
}

// faulty is a storage that fails when asked for a snapshot or for its first index.
type faulty struct {
	*MemoryStorage
	err   error
	panic bool
}

func (f *faulty) FirstIndex() (uint64, error) {
	if f.panic {
		panic("out of order")
	}
	if f.err != nil {
		return 0, f.err
	}
	return f.MemoryStorage.FirstIndex()
}

func TestTheStoragesErrorIsInTheError(t *testing.T) {
	broken := errors.New("the disk is gone")
	storage := &faulty{MemoryStorage: NewMemoryStorage(ConfState{Voters: []uint64{1}}), err: broken}
	if _, err := New(DefaultConfig(1), storage); !errors.Is(err, broken) || !errors.Is(err, ErrStorage) {
		t.Errorf("New said: %v", err)
	}
	storage.err = nil
	node, err := New(DefaultConfig(1), storage)
	must(t, err)
	defer node.Close()
	storage.panic = true
	if _, err := node.Status(); !errors.Is(err, ErrStorage) {
		t.Errorf("a panic of the storage became: %v", err)
	}
	storage.panic = false
	if _, err := node.Status(); err != nil {
		t.Errorf("the node did not recover: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	config := DefaultConfig(1)
	config.HeartbeatTicks = 0
	_, err := New(config, NewMemoryStorage(ConfState{Voters: []uint64{1}}))
	var detailed *Error
	if !errors.Is(err, ErrConfig) || !errors.As(err, &detailed) || detailed.Detail == "" {
		t.Errorf("a heartbeat of no ticks: %v", err)
	}
	if _, err := New(DefaultConfig(0), NewMemoryStorage(ConfState{Voters: []uint64{1}})); !errors.Is(err, ErrConfig) {
		t.Errorf("node 0: %v", err)
	}
	g := newGroup(t, 1, 2)
	if _, err := g[1].Propose([]byte("too early")); !errors.Is(err, ErrProposalDropped) {
		t.Errorf("proposed without a leader: %v", err)
	}
	if err := g[1].ReadIndex([]byte("too early")); !errors.Is(err, ErrNoLeader) {
		t.Errorf("read without a leader: %v", err)
	}
	if err := g[1].Step([]byte{0xff}); !errors.Is(err, ErrDecode) {
		t.Errorf("stepped nonsense: %v", err)
	}
	if _, err := InspectMessage([]byte{0xff}, DialectEtcd); !errors.Is(err, ErrDecode) {
		t.Errorf("inspected nonsense: %v", err)
	}
}

func TestAClosedNodeSaysSo(t *testing.T) {
	g := newGroup(t, 1)
	must(t, g[1].Campaign())
	ready, err := g[1].Ready()
	must(t, err)
	must(t, g[1].Close())
	must(t, g[1].Close())
	if ready.SoftState == nil || ready.SoftState.Role == Follower {
		t.Errorf("the Ready went with the node: %+v", ready)
	}
	if err := g[1].Advance(ready); !errors.Is(err, ErrClosed) {
		t.Errorf("Advance: %v", err)
	}
	if err := g[1].Tick(); !errors.Is(err, ErrClosed) {
		t.Errorf("Tick: %v", err)
	}
	if g[1].HasReady() {
		t.Error("a closed node has work")
	}
	defer func() {
		if recover() == nil {
			t.Error("the storage's handle outlives the node")
		}
	}()
	g[1].handle.Value()
}

// The same numbers are in the tests of Rust, C and Python.
func TestWithoutASeedTimeoutsFollowFromNodeAndGroup(t *testing.T) {
	expected := map[uint64][3]int{0: {11, 15, 19}, 1: {14, 12, 13}, 77: {10, 13, 13}, math.MaxUint64: {15, 18, 11}}
	for groupID, timeouts := range expected {
		for place, timeout := range timeouts {
			config := DefaultConfig(uint64(place) + 1)
			config.GroupID = groupID
			node, err := New(config, NewMemoryStorage(ConfState{Voters: []uint64{1, 2, 3}}))
			must(t, err)
			ticks := 0
			for status := (NodeStatus{}); status.Role == Follower && ticks < 100; ticks++ {
				must(t, node.Tick())
				status, err = node.Status()
				must(t, err)
			}
			if ticks != timeout {
				t.Errorf("node %d of group %d campaigned after %d ticks, not %d", place+1, groupID, ticks, timeout)
			}
			must(t, node.Close())
		}
	}
}

func TestAHandshakeNamesWhatMembersDoNotAgreeOn(t *testing.T) {
	own, peer := DefaultConfig(1), DefaultConfig(2)
	own.ReadMode, peer.ReadMode = ReadLease, ReadLease
	handshake := func() []byte {
		bytes, err := peer.Handshake()
		if err != nil {
			t.Fatal(err)
		}
		return bytes
	}
	if err := own.CheckHandshake(handshake()); err != nil {
		t.Fatal(err)
	}
	peer.ElectionTicks++
	if err := own.CheckHandshake(handshake()); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "election_ticks") {
		t.Fatalf("leases of different lengths: %v", err)
	}
	own.GroupID, peer.GroupID = 7, 8
	if err := own.CheckHandshake(handshake()); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "group_id") {
		t.Fatalf("another group: %v", err)
	}
}

func TestAReadyThatIsGivenBackComesAgainWithMore(t *testing.T) {
	g := newGroup(t, 1)
	g.lead(t, 1)
	node := g[1].Node
	_, err := node.Propose([]byte("one"))
	must(t, err)
	first, err := node.Ready()
	must(t, err)
	_, err = node.Propose([]byte("two"))
	must(t, err)
	must(t, node.GiveBack(first))
	if err := node.GiveBack(first); !errors.Is(err, ErrForeignReady) {
		t.Errorf("given back twice: %v", err)
	}
	larger, err := node.Ready()
	must(t, err)
	if len(first.Entries) != 1 || len(larger.Entries) != 2 {
		t.Errorf("%d entries, then %d", len(first.Entries), len(larger.Entries))
	}
	must(t, node.GiveBack(larger))
	g.settle(t)
	if applied := g[1].applied; !slices.Equal(applied, []string{"", "one", "two"}) {
		t.Errorf("applied %q", applied)
	}
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

func TestABasicStatusAsksTheStorageForNothing(t *testing.T) {
	storage := &faulty{MemoryStorage: NewMemoryStorage(ConfState{Voters: []uint64{1}})}
	node, err := New(DefaultConfig(1), storage)
	must(t, err)
	defer node.Close()
	full, err := node.Status()
	must(t, err)
	storage.err = errors.New("the disk is gone")
	basic, err := node.BasicStatus()
	must(t, err)
	full.FirstIndex = 0
	if basic != full {
		t.Errorf("%+v is not %+v", basic, full)
	}
}
