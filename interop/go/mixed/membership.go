// SPDX-License-Identifier: Apache-2.0

package mixed

import (
	"slices"

	raftcore "raftcore.example/go"
)

const (
	// fewestVoters stay, so that one fault does not stop a group for good.
	fewestVoters = 3
	mostMembers  = 7
)

// changeMembers proposes a change of the membership at some node: of either version, simple or joint.
func (c *cluster) changeMembers() error {
	n := c.pick()
	change, ok := c.someChange()
	if !ok {
		return nil
	}
	for _, op := range change.Ops {
		if _, exists := c.nodes[op.Node]; exists || op.Type == raftcore.RemoveNode {
			continue
		}
		// A new member is there before the change is proposed; it waits with an empty disk.
		if err := c.start(op.Node, side(c.random.IntN(2)), newDisk(raftcore.ConfState{})); err != nil {
			return err
		}
	}
	if err := n.proposeConfChange(change, c.random.IntN(2) == 0); err != nil {
		return err
	}
	return c.soon(n.id)
}

// someChange draws a change that makes sense in the newest membership.
func (c *cluster) someChange() (raftcore.ConfChange, bool) {
	conf := c.history.conf
	if len(conf.VotersOutgoing) > 0 {
		return raftcore.ConfChange{Context: []byte("leave")}, true
	}
	change := raftcore.ConfChange{
		Transition: raftcore.Transition(c.random.IntN(3)),
		Context:    []byte("change"),
	}
	plan := &plan{cluster: c, conf: conf.Clone()}
	for range 1 + c.random.IntN(3) {
		if op, ok := plan.draw(); ok {
			change.Ops = append(change.Ops, op)
		}
	}
	return change, len(change.Ops) > 0
}

// plan collects the operations of one change, each about another node.
type plan struct {
	cluster *cluster
	conf    raftcore.ConfState
}

func (p *plan) draw() (raftcore.ConfChangeOp, bool) {
	random := p.cluster.random
	space := len(p.conf.Voters)+len(p.conf.Learners) < mostMembers
	switch kind := random.IntN(6); {
	case kind <= 1 && space:
		add := []raftcore.ConfChangeType{raftcore.AddVoter, raftcore.AddLearner}[kind]
		// It takes the place of a member in the count, but nothing more is done to it.
		p.conf.Learners = append(p.conf.Learners, 0)
		return raftcore.ConfChangeOp{Type: add, Node: p.newNode()}, true
	case kind == 2:
		return p.taken(&p.conf.Learners, raftcore.AddVoter)
	case kind == 3:
		return p.taken(&p.conf.Learners, raftcore.RemoveNode)
	case kind >= 4 && len(p.conf.Voters) > fewestVoters:
		op := []raftcore.ConfChangeType{raftcore.RemoveNode, raftcore.AddLearner}[kind-4]
		return p.taken(&p.conf.Voters, op)
	}
	return raftcore.ConfChangeOp{}, false
}

func (p *plan) newNode() uint64 {
	id := p.cluster.nextID
	p.cluster.nextID++
	return id
}

// taken draws one of the nodes, and takes it off the list.
func (p *plan) taken(from *[]uint64, op raftcore.ConfChangeType) (raftcore.ConfChangeOp, bool) {
	if len(*from) == 0 {
		return raftcore.ConfChangeOp{}, false
	}
	at := p.cluster.random.IntN(len(*from))
	id := (*from)[at]
	*from = slices.Delete(*from, at, at+1)
	return raftcore.ConfChangeOp{Type: op, Node: id}, id != 0
}
