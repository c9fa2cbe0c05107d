// SPDX-License-Identifier: Apache-2.0

package mixed

import (
	"fmt"
	"math/rand/v2"
	"slices"

	raftcore "raftcore.example/go"
)

// node is a peer with its disk.
type node struct {
	peer
	id   uint64
	side side
	disk *disk
	// snapshotFrom is the side that sent the last snapshot message.
	snapshotFrom side
}

// packet is a message on its way.
type packet struct {
	from, to *node
	typ      raftcore.MessageType
	bytes    []byte
}

// cluster is a group of nodes of both sides, and the network between them.
type cluster struct {
	random  *rand.Rand
	set     settings
	nodes   map[uint64]*node
	ids     []uint64         // of nodes, ascending: maps have no order, and a seed has to mean something
	retired map[uint64]*node // members no more, but perhaps again until the group has settled
	nextID  uint64
	net     []packet
	cut     map[[2]uint64]bool
	history *history
	// reads is, for each read that was asked for, the index that its answer must not be below.
	reads map[string]uint64
	stats *Stats
	logf  func(string, ...any)
}

func newCluster(random *rand.Rand, theirs, oursCount int, stats *Stats, logf func(string, ...any)) (*cluster, error) {
	total := theirs + oursCount
	members := raftcore.ConfState{}
	for id := 1; id <= total; id++ {
		members.Voters = append(members.Voters, uint64(id))
	}
	c := &cluster{
		random: random,
		set: settings{
			preVote:     random.IntN(2) == 0,
			checkQuorum: random.IntN(2) == 0,
			eager:       random.IntN(2) == 0,
			maxMessage:  []uint64{0, 64, 1 << 20}[random.IntN(3)],
			maxInflight: []int{1, 3, 256}[random.IntN(3)],
		},
		nodes:   map[uint64]*node{},
		retired: map[uint64]*node{},
		nextID:  uint64(total) + 1,
		cut:     map[[2]uint64]bool{},
		history: newHistory(members),
		reads:   map[string]uint64{},
		stats:   stats,
		logf:    logf,
	}
	sides := make([]side, total)
	for i := range theirs {
		sides[i] = etcd
	}
	random.Shuffle(total, func(i, j int) { sides[i], sides[j] = sides[j], sides[i] })
	c.logf("cluster: %v, %+v", sides, c.set)
	stats.Clusters++
	for i, side := range sides {
		if err := c.start(uint64(i+1), side, newDisk(members)); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (c *cluster) start(id uint64, side side, disk *disk) error {
	peer, err := newPeer(side, id, disk, c.set, c.random.Uint64())
	if err != nil {
		return fmt.Errorf("node %d (%v) does not start: %w", id, side, err)
	}
	if _, ok := c.nodes[id]; !ok {
		c.ids = append(c.ids, id)
		slices.Sort(c.ids)
	}
	c.nodes[id] = &node{peer: peer, id: id, side: side, disk: disk}
	return nil
}

// remove stops a node.
func (c *cluster) remove(id uint64) error {
	err := c.nodes[id].close()
	delete(c.nodes, id)
	c.ids = slices.DeleteFunc(c.ids, func(other uint64) bool { return other == id })
	return err
}

func (c *cluster) close() {
	for _, node := range c.nodes {
		_ = node.close()
	}
}

// restart stops a node and starts it again from its disk.
func (c *cluster) restart(n *node) error {
	if err := n.close(); err != nil {
		return err
	}
	c.stats.Restarts++
	if c.random.IntN(2) == 0 {
		c.stats.Crashes++
		n.disk.crash()
	}
	return c.start(n.id, n.side, n.disk)
}

func (c *cluster) pick() *node {
	return c.nodes[c.ids[c.random.IntN(len(c.ids))]]
}

// drive does all the work that a node asks for.
func (c *cluster) drive(n *node) error {
	for {
		ready, err := n.ready()
		if err == nil && ready != nil {
			err = c.work(n, ready)
		}
		if err != nil {
			return fmt.Errorf("node %d (%v): %w", n.id, n.side, err)
		}
		if ready == nil {
			return c.watch(n)
		}
	}
}

// work does one Ready, in the only right order.
func (c *cluster) work(n *node, ready *raftcore.Ready) error {
	if err := n.disk.store(ready); err != nil {
		return err
	}
	for _, message := range ready.Messages {
		c.send(n, message)
	}
	if ready.Snapshot != nil {
		n.disk.machine.restore(*ready.Snapshot)
		if err := c.history.reached(n.id, n.disk.machine); err != nil {
			return err
		}
		if n.snapshotFrom != n.side {
			c.stats.Snapshots[n.side]++
		}
	}
	changed, err := c.apply(n, ready.CommittedEntries)
	if err != nil {
		return err
	}
	for _, read := range ready.ReadStates {
		if floor := c.reads[string(read.Context)]; read.Index < floor {
			return fmt.Errorf("a read at index %d was asked for after %d was applied", read.Index, floor)
		}
		c.stats.Reads[n.side]++
	}
	if err := n.advance(ready); err != nil {
		return err
	}
	// A snapshot from before a change of the membership would be of no use to a new member.
	if changed || len(ready.CommittedEntries) > 0 && c.random.IntN(8) == 0 {
		return n.disk.makeSnapshot(c.random)
	}
	return nil
}

func (c *cluster) apply(n *node, entries []raftcore.Entry) (changed bool, err error) {
	for _, entry := range entries {
		if entry.Index != n.disk.machine.applied+1 {
			return changed, fmt.Errorf("entry %d is to be applied after %d", entry.Index, n.disk.machine.applied)
		}
		n.disk.machine.apply(entry)
		if err := c.history.reached(n.id, n.disk.machine); err != nil {
			return changed, err
		}
		if entry.Kind == raftcore.EntryNormal {
			continue
		}
		state, err := n.applyConfChange(entry)
		if err != nil {
			return changed, err
		}
		if entry.Index > c.history.confIndex {
			c.countChange(entry, state)
		}
		if err := c.history.changed(n.id, entry.Index, state); err != nil {
			return changed, err
		}
		n.disk.SetConfState(state)
		changed = true
	}
	return changed, nil
}

// countChange counts a change that is seen for the first time.
func (c *cluster) countChange(entry raftcore.Entry, state raftcore.ConfState) {
	leader, ok := c.nodes[c.history.leaders[entry.Term]]
	if !ok {
		return
	}
	c.stats.ConfChanges[leader.side]++
	if len(state.VotersOutgoing) > 0 {
		c.stats.Joint[leader.side]++
	}
}

// watch looks at a node from outside.
func (c *cluster) watch(n *node) error {
	status, err := n.status()
	if err != nil || !status.leads {
		return err
	}
	isNew, err := c.history.leads(n.id, status.term)
	if isNew {
		c.stats.Leaders[n.side]++
	}
	return err
}

func (c *cluster) send(from *node, message raftcore.Message) {
	to, ok := c.nodes[message.To]
	if !ok || c.cut[[2]uint64{from.id, message.To}] {
		c.lost(packet{from: from, to: &node{id: message.To}, typ: message.Type})
		return
	}
	c.net = append(c.net, packet{from: from, to: to, typ: message.Type, bytes: message.Bytes})
}

// lost tells the sender of a snapshot that it did not arrive, as hosts must; it need not be true at
// once, so the report is a packet too.
func (c *cluster) lost(p packet) {
	if p.typ == raftcore.MessageSnapshot {
		c.net = append(c.net, packet{from: p.to, to: p.from, typ: lostSnapshot})
	}
}

// lostSnapshot is a packet of the host's: the snapshot to its sender was lost.
const lostSnapshot raftcore.MessageType = -1

// deliver hands a packet over. Nodes may have restarted since it was sent, or be gone.
func (c *cluster) deliver(p packet) error {
	to, ok := c.nodes[p.to.id]
	if !ok {
		c.lost(p)
		return nil
	}
	if p.typ == lostSnapshot {
		return to.reportSnapshot(p.from.id, false)
	}
	if err := c.inspect(p); err != nil {
		return err
	}
	if p.from.side != to.side {
		c.stats.Messages[to.side]++
	}
	if p.typ == raftcore.MessageSnapshot {
		to.snapshotFrom = p.from.side
	}
	if err := to.step(p.bytes); err != nil {
		return fmt.Errorf("node %d (%v) refuses a message of node %d (%v): %w", to.id, to.side, p.from.id, p.from.side, err)
	}
	if sender, ok := c.nodes[p.from.id]; ok && p.typ == raftcore.MessageSnapshot {
		return sender.reportSnapshot(to.id, true)
	}
	return nil
}

// inspect holds what raftcore reads in a message against what the sender meant.
func (c *cluster) inspect(p packet) error {
	info, err := raftcore.InspectMessage(p.bytes, raftcore.DialectEtcd)
	if err != nil || info.Type != p.typ || info.To != p.to.id {
		return fmt.Errorf("a message of type %d to %d was read as %+v (%v)", p.typ, p.to.id, info, err)
	}
	return nil
}
