// SPDX-License-Identifier: Apache-2.0

package raftcore

import (
	"errors"
	"testing"
)

// A node whose disk takes its time: two Readies are in work before the first one is stored.
func TestAsynchronousWrites(t *testing.T) {
	config := DefaultConfig(1)
	config.AsyncStorageWrites = true
	storage := NewMemoryStorage(ConfState{Voters: []uint64{1}})
	node, err := New(config, storage)
	must(t, err)
	defer node.Close()
	must(t, node.Campaign())
	var applied []string
	settle := func() {
		for {
			ready, err := node.Ready()
			must(t, err)
			if ready == nil {
				return
			}
			must(t, storage.Store(ready))
			must(t, node.Acknowledge(ready.StorageAcks...))
			for _, entry := range ready.CommittedEntries {
				applied = append(applied, string(entry.Data))
			}
			must(t, node.Acknowledge(ready.ApplyAcks...))
			if err := node.Advance(ready); !errors.Is(err, ErrWrongWriteMode) {
				t.Errorf("advanced: %v", err)
			}
			ready.Release()
			ready.Release()
		}
	}
	settle()
	var slow []*Ready
	for _, data := range []string{"one", "two"} {
		_, err := node.Propose([]byte(data))
		must(t, err)
		ready, err := node.Ready()
		must(t, err)
		if ready == nil || !ready.HasStorageAppend || len(ready.Entries) != 1 {
			t.Fatalf("%s: %+v", data, ready)
		}
		slow = append(slow, ready)
	}
	for _, ready := range slow {
		must(t, storage.Store(ready))
		must(t, node.Acknowledge(ready.StorageAcks...))
		ready.Release()
	}
	settle()
	if len(applied) != 3 || applied[2] != "two" {
		t.Errorf("applied %q", applied)
	}
	if err := node.Acknowledge(Ack{}); err == nil {
		t.Error("a notice of nothing was taken")
	}
}

func TestSnapshotsAreLent(t *testing.T) {
	config := DefaultConfig(1)
	config.LendSnapshots = true
	storage := &onDemand{MemoryStorage: NewMemoryStorage(ConfState{Voters: []uint64{1}})}
	node, err := New(config, storage)
	must(t, err)
	defer node.Close()
	joiner, err := New(DefaultConfig(2), NewMemoryStorage(ConfState{}))
	must(t, err)
	defer joiner.Close()
	must(t, node.Campaign())
	turn := func() (lent []SnapshotMessage) {
		for {
			ready, err := node.Ready()
			must(t, err)
			if ready == nil {
				return lent
			}
			must(t, storage.Store(ready))
			for _, message := range ready.Messages {
				_ = joiner.Step(message.Bytes)
			}
			lent = append(lent, ready.SnapshotMessages...)
			for _, entry := range ready.CommittedEntries {
				if entry.Kind != EntryNormal {
					state, err := node.ApplyConfChange(entry)
					must(t, err)
					storage.SetConfState(state)
					must(t, storage.MakeSnapshot(entry.Index, []byte("large")))
					must(t, storage.Compact(entry.Index))
				}
			}
			must(t, node.Advance(ready))
		}
	}
	turn()
	_, err = node.ProposeConfChange(ConfChange{Ops: []ConfChangeOp{{Type: AddVoter, Node: 2}}})
	must(t, err)
	var sent []SnapshotMessage
	for i := 0; i < 20 && len(sent) == 0; i++ {
		sent = append(sent, turn()...)
		must(t, node.Tick())
		for {
			ready, err := joiner.Ready()
			must(t, err)
			if ready == nil {
				break
			}
			for _, message := range ready.Messages {
				_ = node.Step(message.Bytes)
			}
			must(t, joiner.Advance(ready))
		}
	}
	if len(sent) == 0 {
		t.Fatal("no snapshot was sent")
	}
	snapshot := sent[0].Snapshot.Snapshot()
	if sent[0].To != 2 || string(snapshot.Data) != "large" {
		t.Errorf("sent %+v", snapshot)
	}
	must(t, joiner.StepSnapshot(sent[0].Message, snapshot.Data))
	must(t, node.ReportSnapshot(2, true))
	sent[0].Snapshot.Close()
	sent[0].Snapshot.Close()
	ready, err := joiner.Ready()
	must(t, err)
	if ready == nil || ready.Snapshot == nil || string(ready.Snapshot.Data) != "large" {
		t.Errorf("the joiner got %+v", ready)
	}
}
