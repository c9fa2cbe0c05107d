// SPDX-License-Identifier: Apache-2.0

package mixed

import (
	"fmt"
	"slices"
	"strings"
)

// ticksToSettle is how long a healed group may take, elections and disturbances included.
const ticksToSettle = 2000

// settle heals the network and lets time pass until all nodes agree. That they get there is what
// Raft promises (liveness); that they agree on the same is checked.
func (c *cluster) settle() error {
	clear(c.cut)
	for range ticksToSettle {
		for _, id := range slices.Clone(c.ids) {
			if err := c.nodes[id].tick(); err != nil {
				return err
			}
		}
		if err := c.drain(); err != nil {
			return err
		}
		if err := c.retire(); err != nil {
			return err
		}
		leader := c.leader()
		if leader == nil || !c.agree(leader) {
			continue
		}
		if len(c.history.conf.VotersOutgoing) == 0 {
			if err := c.forget(); err != nil {
				return err
			}
			return c.check()
		}
		if change, ok := c.someChange(); ok {
			if err := leader.proposeConfChange(change, false); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("the group does not settle within %d ticks:\n%s", ticksToSettle, c.describe())
}

// drain delivers packets in order until none is left.
func (c *cluster) drain() error {
	const manyPackets = 100_000
	for range manyPackets {
		for _, id := range slices.Clone(c.ids) {
			if err := c.drive(c.nodes[id]); err != nil {
				return err
			}
		}
		if len(c.net) == 0 {
			return nil
		}
		packets := c.net
		c.net = nil
		for _, p := range packets {
			if err := c.deliver(p); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("the nodes never stop talking:\n%s", c.describe())
}

// retire stops nodes that were members, once all members know that they are none any more; until then
// the others may need their votes. One comes back if a proposal from before, which was still in some
// log, makes it a member again.
func (c *cluster) retire() error {
	members := allMembers(c.history.conf)
	for _, id := range members {
		if gone, ok := c.retired[id]; ok {
			delete(c.retired, id)
			if err := c.start(id, gone.side, gone.disk); err != nil {
				return err
			}
		}
	}
	for _, id := range members {
		if c.nodes[id].disk.machine.applied < c.history.confIndex {
			return nil
		}
	}
	for _, id := range slices.Clone(c.ids) {
		if slices.Contains(members, id) || !c.history.joined[id] {
			continue
		}
		c.retired[id] = c.nodes[id]
		if err := c.remove(id); err != nil {
			return err
		}
	}
	return nil
}

// forget ends all who are no members, once no log has a proposal that could change that.
func (c *cluster) forget() error {
	clear(c.retired)
	members := allMembers(c.history.conf)
	for _, id := range slices.Clone(c.ids) {
		if slices.Contains(members, id) {
			continue
		}
		if err := c.remove(id); err != nil {
			return err
		}
	}
	return nil
}

// leader returns the leader of the highest term.
func (c *cluster) leader() *node {
	var leader *node
	highest := uint64(0)
	for _, id := range c.ids {
		if status, err := c.nodes[id].status(); err == nil && status.leads && status.term > highest {
			leader, highest = c.nodes[id], status.term
		}
	}
	return leader
}

// agree says whether all members follow the leader, have applied what it has, and have nothing else
// in their logs.
func (c *cluster) agree(leader *node) bool {
	want, err := leader.status()
	if err != nil {
		return false
	}
	for _, id := range allMembers(c.history.conf) {
		n := c.nodes[id]
		last, _ := n.disk.LastIndex()
		have, err := n.status()
		if err != nil || have.leader != leader.id || have.term != want.term || have.commit != want.commit ||
			n.disk.machine.applied != want.commit || last != want.commit {
			return false
		}
	}
	return want.commit >= c.history.applied
}

// check compares what all nodes have, once they have settled.
func (c *cluster) check() error {
	first := c.nodes[c.ids[0]]
	_, firstMembers, _ := first.disk.InitialState()
	for _, id := range c.ids {
		n := c.nodes[id]
		_, members, _ := n.disk.InitialState()
		if n.disk.machine != first.disk.machine || canonical(members) != canonical(firstMembers) {
			return fmt.Errorf("nodes %d and %d disagree:\n%s", first.id, id, c.describe())
		}
		if err := c.sameLog(first, n); err != nil {
			return err
		}
	}
	if !slices.Equal(c.ids, allMembers(firstMembers)) {
		return fmt.Errorf("the members are not the nodes %v:\n%s", c.ids, c.describe())
	}
	return nil
}

// sameLog compares the part of the logs that both nodes still have, entry by entry.
func (c *cluster) sameLog(a, b *node) error {
	firstA, _ := a.disk.FirstIndex()
	firstB, _ := b.disk.FirstIndex()
	low, high := max(firstA, firstB), a.disk.machine.applied+1
	if low >= high {
		return nil
	}
	entriesA, errA := a.disk.Entries(low, high, 0)
	entriesB, errB := b.disk.Entries(low, high, 0)
	if errA != nil || errB != nil {
		return fmt.Errorf("the logs of %d and %d cannot be read: %v, %v", a.id, b.id, errA, errB)
	}
	for i := range entriesA {
		x, y := entriesA[i], entriesB[i]
		if x.Term != y.Term || x.Index != y.Index || x.Kind != y.Kind || string(x.Data) != string(y.Data) {
			return fmt.Errorf("the logs of %d and %d differ: %+v, %+v", a.id, b.id, x, y)
		}
	}
	return nil
}

func (c *cluster) describe() string {
	var text strings.Builder
	fmt.Fprintf(&text, "  newest membership: %s since %d\n", canonical(c.history.conf), c.history.confIndex)
	for _, id := range c.ids {
		n := c.nodes[id]
		status, err := n.status()
		last, _ := n.disk.LastIndex()
		_, members, _ := n.disk.InitialState()
		fmt.Fprintf(&text, "  node %d (%v): %+v applied %d last %d hash %x, %s (%v)\n",
			id, n.side, status, n.disk.machine.applied, last, n.disk.machine.hash, canonical(members), err)
	}
	return text.String()
}
