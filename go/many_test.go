// SPDX-License-Identifier: Apache-2.0

package raftcore

import (
	"errors"
	"testing"
)

// idle is a node that nothing happens to for long.
func idle(t testing.TB, id uint64) *Node {
	t.Helper()
	config := DefaultConfig(id)
	config.ElectionTicks, config.HeartbeatTicks = 1<<30, 1<<20
	node, err := New(config, NewMemoryStorage(ConfState{Voters: []uint64{1, 2, 3}}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Close() })
	return node
}

func TestATickerTicksAll(t *testing.T) {
	var ticker Ticker
	broken := errors.New("the disk is gone")
	storage := &faultyTerm{MemoryStorage: NewMemoryStorage(ConfState{Voters: []uint64{7}})}
	failing, err := New(DefaultConfig(7), storage)
	must(t, err)
	defer failing.Close()
	follower, err := New(DefaultConfig(1), NewMemoryStorage(ConfState{Voters: []uint64{1, 2, 3}}))
	must(t, err)
	defer follower.Close()
	must(t, ticker.Add(failing))
	must(t, ticker.Add(follower))
	closed := idle(t, 3)
	must(t, ticker.Add(closed))
	must(t, closed.Close())
	if closed.freed.Load() {
		t.Error("a node that the ticker has is freed")
	}
	for range 20 {
		must(t, ticker.Tick())
	}
	if !closed.freed.Load() || ticker.Len() != 2 {
		t.Error("a closed node stays")
	}
	status, err := follower.BasicStatus()
	must(t, err)
	if status.Role != PreCandidate {
		t.Errorf("after 20 ticks: %+v", status)
	}
	storage.err = broken
	ticker.Remove(follower)
	ticker.Remove(follower)
	_ = ticker.Tick() // it may not have asked the storage
	if ticker.Len() != 1 {
		t.Errorf("%d nodes", ticker.Len())
	}
	ticker.Close()
	must(t, failing.Close())
	if err := ticker.Add(failing); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed node was added: %v", err)
	}
	if !failing.freed.Load() {
		t.Error("the ticker keeps what it had")
	}
}

// faultyTerm is a storage that may not know terms.
type faultyTerm struct {
	*MemoryStorage
	err error
}

func (f *faultyTerm) Term(index uint64) (uint64, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.MemoryStorage.Term(index)
}

func BenchmarkEmptyCall(b *testing.B) {
	for range b.N {
		abiVersion()
	}
}

func BenchmarkIdleTick(b *testing.B) {
	node := idle(b, 1)
	for range b.N {
		_ = node.Tick()
	}
}

func BenchmarkTickerOf1000(b *testing.B) {
	var ticker Ticker
	defer ticker.Close()
	for range 1000 {
		must(b, ticker.Add(idle(b, 1)))
	}
	b.ResetTimer()
	for range b.N {
		must(b, ticker.Tick())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/group")
}
