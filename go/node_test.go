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
