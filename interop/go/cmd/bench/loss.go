// SPDX-License-Identifier: Apache-2.0

package main

import (
	"container/heap"
	"errors"
	"flag"
	"fmt"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// lossCase is a run of `bench loss`: what bench/src/loss.rs (Rust) does with the same options. Times are virtual
// microseconds.
type lossCase struct {
	nodes, clients, rtt, tick, reportDelay, seconds, loss, seed uint64
	payload                                                     int
	reports                                                     bool
}

// lossOutcome is the line of JSON.
type lossOutcome struct {
	Operations uint64 `json:"operations"`
	Messages   uint64 `json:"messages"`
}

func (c *lossCase) parse(args []string) error {
	flags := flag.NewFlagSet("loss", flag.ContinueOnError)
	flags.Uint64Var(&c.nodes, "nodes", 3, "members of the group")
	flags.Uint64Var(&c.clients, "clients", 8, "clients, each of which writes again once its last write is applied")
	flags.IntVar(&c.payload, "payload", 64, "bytes of a write, at least 8")
	flags.Uint64Var(&c.rtt, "rtt", 2_000, "microseconds that a message and its answer take")
	flags.Uint64Var(&c.tick, "tick", 100_000, "microseconds of a tick")
	flags.Uint64Var(&c.reportDelay, "report-delay", 0, "microseconds between a loss and its report")
	flags.Uint64Var(&c.seconds, "seconds", 30, "seconds of virtual time")
	flags.Uint64Var(&c.loss, "loss", 10, "of a hundred messages, how many are lost")
	flags.Uint64Var(&c.seed, "seed", 1, "decides which messages are lost")
	flags.BoolVar(&c.reports, "reports", false, "report every loss")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || c.nodes < 1 || c.nodes > 9 || c.clients < 1 || c.payload < 8 || c.rtt < 2 ||
		c.tick < 1 || c.seconds < 1 || c.loss > 99 {
		return errors.New("an option is out of range")
	}
	return nil
}

// network decides which messages are lost: by the seed, the link, and how many that was given before.
type network struct {
	seed, nodes, loss uint64
	sent              []uint64
}

// loses says whether the next message of a link is lost; nodes are counted from 0.
func (n *network) loses(from, to uint64) bool {
	link := from*n.nodes + to
	n.sent[link]++
	return mix(mix(mix(n.seed)^link)^n.sent[link])%100 < n.loss
}

// event happens at a time; of the same time, what was scheduled first.
type event struct {
	time, number uint64
	happen       func() error
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].time < e[j].time || e[i].time == e[j].time && e[i].number < e[j].number
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	old[len(old)-1] = event{}
	*e = old[:len(old)-1]
	return last
}

// lossWorld is a group in virtual time.
type lossWorld struct {
	lossCase
	group     *group
	network   network
	now       uint64
	scheduled uint64
	events    events
	// proposed counts the writes so far: all but those applied are under way, one for each client.
	proposed uint64
	sent     uint64
}

func runLoss(c lossCase) (lossOutcome, error) {
	g, err := newGroup(workload{nodes: c.nodes})
	if err != nil {
		return lossOutcome{}, err
	}
	w := &lossWorld{
		lossCase: c, group: g,
		network: network{seed: c.seed, nodes: c.nodes, loss: c.loss, sent: make([]uint64, c.nodes*c.nodes)},
	}
	g.route = w.post
	if err := w.run(); err != nil {
		return lossOutcome{}, err
	}
	return lossOutcome{Operations: g.nodes[0].applied.count, Messages: w.sent}, w.verify()
}

func (w *lossWorld) run() error {
	for i, m := range w.group.nodes {
		// Their ticks are out of step.
		w.schedule(w.tick*(uint64(i)+1)/(w.lossCase.nodes+1), w.ticker(m))
	}
	if err := w.work(); err != nil {
		return err
	}
	for len(w.events) > 0 && w.events[0].time < w.seconds*1_000_000 {
		w.now = w.events[0].time
		for len(w.events) > 0 && w.events[0].time == w.now {
			if err := heap.Pop(&w.events).(event).happen(); err != nil {
				return err
			}
		}
		if err := w.work(); err != nil {
			return err
		}
	}
	return nil
}

func (w *lossWorld) schedule(delay uint64, happen func() error) {
	w.scheduled++
	heap.Push(&w.events, event{time: w.now + delay, number: w.scheduled, happen: happen})
}

func (w *lossWorld) ticker(m *member) func() error {
	return func() error {
		w.schedule(w.tick, w.ticker(m))
		m.node.Tick()
		return nil
	}
}

// work lets all nodes do what they have to do; clients whose writes were applied write again.
func (w *lossWorld) work() error {
	leader := w.group.nodes[0]
	for worked := true; worked; {
		count := w.clients - (w.proposed - leader.applied.count)
		worked = count > 0
		for _, payload := range makePayloads(w.proposed, int(count), w.payload) {
			if err := leader.node.Propose(payload); err != nil {
				return err
			}
		}
		w.proposed += count
		for _, m := range w.group.nodes {
			for m.node.HasReady() {
				worked = true
				if err := w.group.drive(m); err != nil {
					return err
				}
			}
		}
	}
	if leader.node.BasicStatus().RaftState != raft.StateLeader {
		return errors.New("the first node does not lead any more")
	}
	return nil
}

func (w *lossWorld) post(message *pb.Message) error {
	from, to := message.GetFrom(), message.GetTo()
	w.sent++
	if !w.network.loses(from-1, to-1) {
		w.schedule(w.rtt/2, func() error { return w.group.nodes[to-1].node.Step(message) })
	} else if w.reports {
		w.schedule(w.reportDelay, func() error {
			w.group.nodes[from-1].node.ReportUnreachable(to)
			return nil
		})
	}
	return nil
}

// verify checks that all nodes have applied a beginning of what was proposed, in that order.
func (w *lossWorld) verify() error {
	var expected sequence
	right := make([]bool, len(w.group.nodes))
	for count := uint64(0); count <= w.proposed; count++ {
		for i, m := range w.group.nodes {
			right[i] = right[i] || m.applied.count == count && m.applied.hash == expected.hash
		}
		expected.add(makePayloads(count, 1, w.payload)[0])
	}
	for i := range right {
		if !right[i] {
			return fmt.Errorf("wrong replication: node %d", i+1)
		}
	}
	return nil
}
