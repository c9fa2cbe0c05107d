// SPDX-License-Identifier: Apache-2.0

// Three runs a group of three nodes in one process: it replicates ten numbers, and reads their sum on every node.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	raftcore "raftcore.example/go"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// host is a node's state machine, a sum, and its network, function calls.
type host struct {
	*raftcore.MemoryStorage
	group map[uint64]*raftcore.Runner
	sum   atomic.Int64
}

func (h *host) Send(messages []raftcore.Message) {
	for _, message := range messages {
		_ = h.group[message.To].Step(message.Bytes) // a message that is refused is as good as lost
	}
}

func (h *host) Apply(entry raftcore.Entry) (any, error) {
	if len(entry.Data) == 0 {
		return nil, nil // the start of a term
	}
	number, err := strconv.ParseInt(string(entry.Data), 10, 64)
	return h.sum.Add(number), err
}

func (h *host) ApplySnapshot(*raftcore.Snapshot) error {
	return errors.New("nobody makes a snapshot here")
}

func (h *host) ApplyConfChange(_ raftcore.Entry, state raftcore.ConfState) error {
	h.SetConfState(state)
	return nil
}

func run(ctx context.Context, out io.Writer) error {
	members := raftcore.ConfState{Voters: []uint64{1, 2, 3}}
	group, hosts := map[uint64]*raftcore.Runner{}, map[uint64]*host{}
	for _, id := range members.Voters {
		hosts[id] = &host{MemoryStorage: raftcore.NewMemoryStorage(members), group: group}
		config := raftcore.DefaultConfig(id)
		config.ForwardProposals = false
		node, err := raftcore.New(config, hosts[id].MemoryStorage)
		if err != nil {
			return err
		}
		defer node.Close()
		group[id] = raftcore.NewRunner(node, hosts[id], 10*time.Millisecond)
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, len(group))
	for _, runner := range group {
		go func() { ended <- runner.Run(running) }()
	}
	defer func() {
		stop()
		for range group {
			<-ended // before the nodes are closed
		}
	}()

	for number := 1; number <= 10; number++ {
		sum, err := propose(ctx, group, strconv.Itoa(number))
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "added %d: %d\n", number, sum)
	}
	for _, id := range members.Voters {
		if err := group[id].Read(ctx); err != nil {
			return err
		}
		fmt.Fprintf(out, "node %d reads %d\n", id, hosts[id].sum.Load())
	}
	return nil
}

// propose tries one node after the other until one leads.
func propose(ctx context.Context, group map[uint64]*raftcore.Runner, data string) (any, error) {
	for {
		for _, runner := range group {
			result, err := runner.Propose(ctx, []byte(data))
			if !errors.Is(err, raftcore.ErrProposalDropped) {
				return result, err
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}
