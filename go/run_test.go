// SPDX-License-Identifier: Apache-2.0

package raftcore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// counter is a host whose state machine is the number of entries that it has applied.
type counter struct {
	*MemoryStorage
	id      uint64
	network *network
	mu      sync.Mutex
	values  []string
}

type network struct {
	mu      sync.Mutex
	runners map[uint64]*Runner
}

func (c *counter) Send(messages []Message) {
	for _, message := range messages {
		c.network.mu.Lock()
		to := c.network.runners[message.To]
		c.network.mu.Unlock()
		if to != nil {
			_ = to.Step(message.Bytes)
		}
	}
}

func (c *counter) ApplySnapshot(*Snapshot) error { return nil }

func (c *counter) Apply(entry Entry) (any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(entry.Data) > 0 {
		c.values = append(c.values, string(entry.Data))
	}
	return len(c.values), nil
}

func (c *counter) ApplyConfChange(_ Entry, state ConfState) error {
	c.SetConfState(state)
	return nil
}

func TestRunnersServeProposersAndReaders(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	net := &network{runners: map[uint64]*Runner{}}
	voters := []uint64{1, 2, 3}
	hosts := map[uint64]*counter{}
	var ended sync.WaitGroup
	for _, id := range voters {
		config := DefaultConfig(id)
		config.ForwardProposals = false
		host := &counter{MemoryStorage: NewMemoryStorage(ConfState{Voters: voters}), id: id, network: net}
		node, err := New(config, host.MemoryStorage)
		must(t, err)
		defer node.Close()
		hosts[id] = host
		net.mu.Lock()
		net.runners[id] = NewRunner(node, host, 5*time.Millisecond)
		net.mu.Unlock()
	}
	running, stop := context.WithCancel(ctx)
	for _, runner := range net.runners {
		ended.Add(1)
		go func() {
			defer ended.Done()
			if err := runner.Run(running); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}()
	}
	// propose tries all nodes until one leads.
	propose := func(data string) any {
		for {
			for _, id := range voters {
				result, err := net.runners[id].Propose(ctx, []byte(data))
				if err == nil {
					return result
				}
				if ctx.Err() != nil {
					t.Fatal(ctx.Err())
				}
			}
			time.Sleep(time.Millisecond)
		}
	}
	for i := range 20 {
		if got := propose(fmt.Sprint(i)); got != i+1 {
			t.Fatalf("entry %d has the result %v", i, got)
		}
	}
	for _, id := range voters {
		must(t, net.runners[id].Read(ctx))
		hosts[id].mu.Lock()
		if len(hosts[id].values) != 20 {
			t.Errorf("a read on node %d sees %d entries", id, len(hosts[id].values))
		}
		hosts[id].mu.Unlock()
	}
	expired, done := context.WithDeadline(ctx, time.Unix(0, 0))
	defer done()
	if err := net.runners[1].Read(expired); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a read without time: %v", err)
	}
	stop()
	ended.Wait()
	if _, err := net.runners[1].Propose(ctx, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("a proposal after the end: %v", err)
	}
	if err := net.runners[1].Read(ctx); !errors.Is(err, ErrClosed) {
		t.Errorf("a read after the end: %v", err)
	}
}

// A leader that is cut off gets another entry in its proposal's place.
func TestALostProposalIsReported(t *testing.T) {
	g := newGroup(t, 1)
	runner := NewRunner(g[1].Node, &counter{MemoryStorage: g[1].storage}, time.Second)
	answer := make(chan outcome, 1)
	runner.waiting[9] = proposal{term: 2, answer: answer}
	must(t, runner.apply(Entry{Term: 3, Index: 9}))
	if got := <-answer; !errors.Is(got.err, ErrLost) {
		t.Errorf("lost: %v", got)
	}
	runner.waiting[12] = proposal{term: 3, answer: answer}
	runner.skip(20)
	if got := <-answer; !errors.Is(got.err, ErrUnknownFate) {
		t.Errorf("in a snapshot: %v", got)
	}
}

func TestARunnerRefusesWhatItDoesNotServe(t *testing.T) {
	for _, change := range []func(*Config){
		func(c *Config) { c.AsyncStorageWrites = true }, func(c *Config) { c.LendSnapshots = true },
	} {
		config := DefaultConfig(1)
		change(&config)
		storage := NewMemoryStorage(ConfState{Voters: []uint64{1}})
		node, err := New(config, storage)
		must(t, err)
		defer node.Close()
		if err := NewRunner(node, &counter{MemoryStorage: storage}, time.Second).Run(context.Background()); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", config, err)
		}
	}
}
