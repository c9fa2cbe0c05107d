// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	raftcore "raftcore.example/go"
)

// BenchmarkVersus replicates proposals of 256 bytes in a group of three nodes, encoded, by etcd/raft and by raftcore
// in turns: processor time per proposal of each, and the ratio of the two.
func BenchmarkVersus(b *testing.B) {
	for _, size := range []int{1, 64} {
		b.Run(fmt.Sprintf("batch-%d", size), func(b *testing.B) {
			spent := versus(b, b.N, size)
			b.ReportMetric(float64(spent[0].Nanoseconds())/float64(b.N*turn), "etcd-ns/proposal")
			b.ReportMetric(float64(spent[1].Nanoseconds())/float64(b.N*turn), "raftcore-ns/proposal")
			b.ReportMetric(float64(spent[1])/float64(spent[0]), "ratio")
		})
	}
}

// turn is how many proposals each side replicates before the other one does.
const turn = 512

// versus returns the processor time that etcd/raft and raftcore took for so many turns.
func versus(b testing.TB, turns, size int) (spent [2]time.Duration) {
	theirs, err := newGroup(workload{nodes: 3, encode: true})
	check(b, err)
	ours, err := newOurs(3)
	check(b, err)
	defer ours.close()
	number := uint64(0)
	for range turns {
		batches := make([][][]byte, turn/size)
		for i := range batches {
			batches[i] = makePayloads(number, size, 256)
			number += uint64(size)
		}
		begun := processorTime()
		for _, batch := range batches {
			check(b, theirs.replicate(batch))
		}
		check(b, theirs.compact())
		between := processorTime()
		for _, batch := range batches {
			check(b, ours.replicate(batch))
		}
		check(b, ours.compact())
		spent[0] += between - begun
		spent[1] += processorTime() - between
	}
	for i, m := range ours.members {
		if m.applied != theirs.nodes[i].applied {
			// The two number their entries alike: both begin with a snapshot and an empty entry.
			b.Fatalf("node %d applied %+v here, and %+v there", i+1, m.applied, theirs.nodes[i].applied)
		}
	}
	return spent
}

func TestBothReplicateTheSame(t *testing.T) {
	versus(t, 4, 64)
	versus(t, 4, 1)
}

func check(b testing.TB, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// processorTime is that of the process, garbage collector included.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// ours is a group of raftcore nodes in one goroutine; the first one leads.
type ours struct{ members []*ourMember }

type ourMember struct {
	node    *raftcore.Node
	storage *raftcore.MemoryStorage
	ready   raftcore.Ready
	applied sequence
	// inbox has copies of the messages of others, one behind the other in buffer.
	inbox  [][]byte
	buffer []byte
}

func newOurs(nodes uint64) (*ours, error) {
	g := &ours{}
	var voters []uint64
	for id := uint64(1); id <= nodes; id++ {
		voters = append(voters, id)
	}
	for _, id := range voters {
		storage := raftcore.NewMemoryStorage(raftcore.ConfState{Voters: voters})
		config := raftcore.DefaultConfig(id)
		config.Applied = firstIndex
		node, err := raftcore.New(config, storage)
		if err != nil {
			return nil, err
		}
		g.members = append(g.members, &ourMember{node: node, storage: storage, applied: sequence{index: firstIndex}})
	}
	if err := g.members[0].node.Campaign(); err != nil {
		return nil, err
	}
	return g, g.settle()
}

func (g *ours) close() {
	for _, m := range g.members {
		_ = m.node.Close()
	}
}

func (g *ours) replicate(batch [][]byte) error {
	leader := g.members[0].node
	if len(batch) == 1 {
		if _, err := leader.Propose(batch[0]); err != nil {
			return err
		}
	} else if _, err := leader.ProposeBatch(batch); err != nil {
		return err
	}
	return g.settle()
}

func (g *ours) settle() error {
	for worked := true; worked; {
		worked = false
		for _, m := range g.members {
			if len(m.inbox) > 0 {
				if err := m.node.StepBatch(m.inbox, nil); err != nil {
					return err
				}
				m.inbox, m.buffer = m.inbox[:0], m.buffer[:0]
			}
			more, err := m.node.ReadyInto(&m.ready)
			for ; more; more, err = m.node.AdvanceInto(&m.ready) {
				worked = true
				if err := g.work(m); err != nil {
					return err
				}
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *ours) work(m *ourMember) error {
	if err := m.storage.Store(&m.ready); err != nil {
		return err
	}
	for i := range m.ready.Messages {
		message := &m.ready.Messages[i]
		to := g.members[message.To-1]
		start := len(to.buffer)
		to.buffer = append(to.buffer, message.Bytes...)
		to.inbox = append(to.inbox, to.buffer[start:len(to.buffer):len(to.buffer)])
	}
	for i := range m.ready.CommittedEntries {
		entry := &m.ready.CommittedEntries[i]
		if entry.Index != m.applied.index+1 {
			return errors.New("an entry is missing")
		}
		m.applied.index++
		m.applied.add(entry.Data)
	}
	return nil
}

func (g *ours) compact() error {
	for _, m := range g.members {
		if m.applied.index > firstIndex+kept {
			if err := m.storage.MakeSnapshot(m.applied.index-kept, nil); err != nil {
				return err
			}
			if err := m.storage.Compact(m.applied.index - kept); err != nil {
				return err
			}
		}
	}
	return nil
}
