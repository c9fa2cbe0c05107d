// SPDX-License-Identifier: Apache-2.0

package raftcore

import (
	"errors"
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

func must(t testing.TB, err error) {
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
