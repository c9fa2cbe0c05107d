// SPDX-License-Identifier: Apache-2.0

//go:build go1.24

package raftcore

import "testing"

// A group of one node that has done all kinds of work already.
func warm(t testing.TB) (*Node, *MemoryStorage, *Ready) {
	t.Helper()
	storage := NewMemoryStorage(ConfState{Voters: []uint64{1}})
	node, err := New(DefaultConfig(1), storage)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Close() })
	ready := &Ready{}
	if err := node.Campaign(); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := node.Propose(make([]byte, 256)); err != nil {
			if err := node.Tick(); err != nil {
				t.Fatal(err)
			}
		}
		drain(t, node, storage, ready)
	}
	return node, storage, ready
}

func drain(t testing.TB, node *Node, storage *MemoryStorage, ready *Ready) {
	for more, err := node.ReadyInto(ready); more || err != nil; more, err = node.AdvanceInto(ready) {
		if err != nil {
			t.Fatal(err)
		}
		if err := storage.Store(ready); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoCallAllocates(t *testing.T) {
	node, storage, ready := warm(t)
	payload, heartbeat := make([]byte, 256), heartbeat(t)
	batch := [][]byte{payload, payload, payload}
	messages, results := [][]byte{heartbeat, heartbeat}, make([]Status, 2)
	keeps := &keeping{}
	for name, call := range map[string]func(){
		"Tick":        func() { _ = node.Tick() },
		"HasReady":    func() { node.HasReady() },
		"HardState":   func() { _, _ = node.HardState() },
		"SoftState":   func() { _, _ = node.SoftState() },
		"BasicStatus": func() { _, _ = node.BasicStatus() },
		"Step":        func() { _ = node.Step(heartbeat) },
		"StepBatch":   func() { _ = node.StepBatch(messages, results) },
		"an empty ReadyInto": func() {
			_, _ = node.ReadyInto(ready)
		},
		"Propose and its turn": func() {
			_, _ = node.Propose(payload)
			keeps.drain(t, node, ready)
		},
		"ProposeBatch and its turn": func() {
			_, _ = node.ProposeBatch(batch)
			keeps.drain(t, node, ready)
		},
	} {
		drain(t, node, storage, ready)
		if n := testing.AllocsPerRun(200, call); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// keeping is a host that stores nothing: it counts.
type keeping struct{ entries, bytes int }

func (k *keeping) drain(t testing.TB, node *Node, ready *Ready) {
	for more, err := node.ReadyInto(ready); more || err != nil; more, err = node.AdvanceInto(ready) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range ready.Entries {
			k.entries++
			k.bytes += len(ready.Entries[i].Data)
		}
	}
}
