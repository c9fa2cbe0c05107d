// SPDX-License-Identifier: Apache-2.0

package raftcore

import (
	"errors"
	"fmt"
	"testing"
)

// checkedMemory is a MemoryStorage for CheckStorage.
type checkedMemory struct {
	storage *MemoryStorage
	failing bool
	// forgets drops the hard state of every batch: a fault that the check has to find.
	forgets bool
}

func (c *checkedMemory) Storage() Storage {
	if c.failing {
		return failing{}
	}
	return c.storage
}

func (c *checkedMemory) Reset() error {
	c.storage, c.failing = NewMemoryStorage(ConfState{}), false
	return nil
}

func (c *checkedMemory) Persist(what Persist) error {
	if c.failing {
		return errFailing
	}
	if c.forgets {
		what.HardState = nil
	}
	return c.storage.Persist(what)
}

func (c *checkedMemory) Compact(index uint64) error {
	if c.failing {
		return errFailing
	}
	if index > c.storage.snapshot.Index {
		if err := c.storage.MakeSnapshot(index, nil); err != nil {
			return err
		}
	}
	return c.storage.Compact(index)
}

func (c *checkedMemory) Reopen(bool) error { return nil }

func (c *checkedMemory) SetFailing(failing bool) error {
	c.failing = failing
	return nil
}

var errFailing = errors.New("the disk is gone")

// failing is a storage that cannot be read.
type failing struct{}

func (failing) InitialState() (HardState, ConfState, error) {
	return HardState{}, ConfState{}, errFailing
}
func (failing) Entries(_, _, _ uint64) ([]Entry, error) { return nil, errFailing }
func (failing) Term(uint64) (uint64, error)             { return 0, errFailing }
func (failing) FirstIndex() (uint64, error)             { return 0, errFailing }
func (failing) LastIndex() (uint64, error)              { return 0, errFailing }
func (failing) Snapshot() (Snapshot, error)             { return Snapshot{}, errFailing }

func TestTheMemoryStorageKeepsTheContract(t *testing.T) {
	findings, err := CheckStorage(&checkedMemory{storage: NewMemoryStorage(ConfState{})})
	for _, f := range findings {
		if f.Outcome == RuleBroken {
			t.Errorf("%s (%s): expected %s, got %s", f.Rule, f.Demand, f.Expected, f.Got)
		}
	}
	must(t, err)
	if len(findings) < 20 {
		t.Errorf("only %d rules were tried", len(findings))
	}
	if _, err := CheckStorage(&checkedMemory{storage: NewMemoryStorage(ConfState{}), forgets: true}); !errors.Is(err, ErrStorage) {
		t.Errorf("a storage that forgets: %v", err)
	}
}

func TestASurvivorGoesOnAlone(t *testing.T) {
	g := newGroup(t, 1, 2, 3)
	g.lead(t, 1)
	_, err := g[1].Propose([]byte("kept"))
	must(t, err)
	g.settle(t)
	for _, m := range g {
		must(t, m.Close())
	}
	survivor := g[2].storage
	position, err := RecoveryPosition(survivor, 2)
	must(t, err)
	if position != (LogPosition{Node: 2, Term: 2, Last: EntryID{Term: 2, Index: 3}, Commit: 3}) {
		t.Errorf("the position is %+v", position)
	}
	plan, err := Recover(survivor, RecoveryRequest{Node: 2, Members: ConfState{Voters: []uint64{2}}})
	must(t, err)
	if !plan.MayMissCommitted || plan.Last != position.Last || fmt.Sprint(plan.Before.Voters) != "[1 2 3]" {
		t.Errorf("the plan is %+v", plan)
	}
	if _, err := Recover(survivor, RecoveryRequest{Node: 2, Members: ConfState{Voters: []uint64{9}}}); !errors.Is(err, ErrRecovery) {
		t.Errorf("a recovery without the survivor: %v", err)
	}
	if _, err := RecoveryPosition(failing{}, 2); !errors.Is(err, ErrStorage) || !errors.Is(err, errFailing) {
		t.Errorf("a storage that cannot be read: %v", err)
	}
	must(t, survivor.Persist(plan.Persist))
	alone := group{}
	alone.add(t, 2, survivor, 0)
	for i := 0; i < 50; i++ {
		must(t, alone[2].Tick())
		alone.settle(t)
	}
	status, err := alone[2].Status()
	must(t, err)
	members, err := alone[2].ConfState()
	must(t, err)
	if status.Role != Leader || fmt.Sprint(members.Voters) != "[2]" {
		t.Errorf("the survivor is %+v of %+v", status, members)
	}
	if len(alone[2].applied) < 2 || alone[2].applied[1] != "kept" {
		t.Errorf("applied %q", alone[2].applied)
	}
}

func TestAGroupStartsFromABackup(t *testing.T) {
	backup, err := EncodeBackup(Snapshot{Term: 4, Index: 20, ConfState: ConfState{Voters: []uint64{1, 2, 3}}, Data: []byte("state")})
	must(t, err)
	plan, err := Restore(backup, ConfState{Voters: []uint64{11}})
	must(t, err)
	storage := NewMemoryStorage(ConfState{})
	must(t, storage.Persist(plan.Persist))
	g := group{}
	g.add(t, 11, storage, 20)
	g.lead(t, 11)
	if plan.Last.Index != 20 || string(plan.Persist.Snapshot.Data) != "state" {
		t.Errorf("the plan is %+v", plan)
	}
	if _, err := Restore(backup, ConfState{}); !errors.Is(err, ErrRecovery) && !errors.Is(err, ErrConfChange) {
		t.Errorf("a group without members: %v", err)
	}
}
