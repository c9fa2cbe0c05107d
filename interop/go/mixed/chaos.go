// SPDX-License-Identifier: Apache-2.0

package mixed

import (
	"fmt"

	raftcore "raftcore.example/go"
)

// stepsPerRound is how many events a round has before the network heals.
const stepsPerRound = 400

// actions of a round, with how often they happen.
var actions = []struct {
	weight int
	act    func(*cluster) error
}{
	{500, (*cluster).deliverOne},
	{220, (*cluster).tickOne},
	{100, (*cluster).proposeOne},
	{30, (*cluster).readOne},
	{15, (*cluster).changeNetwork},
	{15, (*cluster).restartOne},
	{25, (*cluster).changeMembers},
	{8, (*cluster).transferOne},
	{5, (*cluster).campaignOne},
	{8, (*cluster).reportOne},
}

// chaos is a round of faults.
func (c *cluster) chaos() error {
	total := 0
	for _, action := range actions {
		total += action.weight
	}
	for range stepsPerRound {
		choice := c.random.IntN(total)
		for _, action := range actions {
			choice -= action.weight
			if choice < 0 {
				if err := action.act(c); err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}

// soon drives a node now, or leaves that to a later event, so that work piles up.
func (c *cluster) soon(id uint64) error {
	node, ok := c.nodes[id]
	if !ok || c.random.IntN(5) == 0 {
		return nil
	}
	return c.drive(node)
}

// deliverOne delivers a packet, mostly the oldest; or loses it; or leaves a copy on its way.
func (c *cluster) deliverOne() error {
	if len(c.net) == 0 {
		return c.tickOne()
	}
	at := 0
	if c.random.IntN(3) == 0 {
		at = c.random.IntN(len(c.net))
	}
	p := c.net[at]
	const proposal raftcore.MessageType = 2
	if p.typ == proposal || c.random.IntN(20) > 0 { // a repeated proposal would be a second one
		c.net = append(c.net[:at], c.net[at+1:]...)
	}
	if c.random.IntN(20) == 0 && p.typ != lostSnapshot {
		c.lost(p)
		return nil
	}
	if err := c.deliver(p); err != nil {
		return err
	}
	return c.soon(p.to.id)
}

func (c *cluster) tickOne() error {
	n := c.pick()
	if err := n.tick(); err != nil {
		return err
	}
	return c.soon(n.id)
}

func (c *cluster) proposeOne() error {
	n := c.pick()
	data := make([]byte, c.random.IntN(40))
	for i := range data {
		data[i] = byte(c.random.Uint32())
	}
	if err := n.propose(data); err != nil {
		return err
	}
	return c.soon(n.id)
}

func (c *cluster) readOne() error {
	n := c.pick()
	context := fmt.Sprintf("read %d", len(c.reads))
	c.reads[context] = c.history.applied
	if err := n.readIndex([]byte(context)); err != nil {
		return err
	}
	return c.soon(n.id)
}

// changeNetwork heals everything, isolates a node, or cuts one direction between two.
func (c *cluster) changeNetwork() error {
	switch c.random.IntN(3) {
	case 0:
		clear(c.cut)
	case 1:
		alone := c.pick().id
		for _, id := range c.ids {
			c.cut[[2]uint64{alone, id}], c.cut[[2]uint64{id, alone}] = true, true
		}
	default:
		c.cut[[2]uint64{c.pick().id, c.pick().id}] = true
	}
	return nil
}

func (c *cluster) restartOne() error {
	return c.restart(c.pick())
}

func (c *cluster) transferOne() error {
	n := c.pick()
	if err := n.transferLeader(c.pick().id); err != nil {
		return err
	}
	return c.soon(n.id)
}

func (c *cluster) campaignOne() error {
	n := c.pick()
	if err := n.campaign(); err != nil {
		return err
	}
	return c.soon(n.id)
}

func (c *cluster) reportOne() error {
	return c.pick().reportUnreachable(c.pick().id)
}
