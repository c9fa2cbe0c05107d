// SPDX-License-Identifier: Apache-2.0

package mixed

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	raftcore "raftcore.example/go"
)

// disk is what a node finds again after a restart: the log, and a state machine. Both kinds of nodes
// have the same one, so that only the Raft below differs.
type disk struct {
	*raftcore.MemoryStorage
	machine machine
	// synced is the hard state that survives a power failure, if only the commit index is newer.
	synced raftcore.HardState
}

// machine is a replicated state machine that remembers everything: a hash over all entries applied.
type machine struct {
	applied uint64
	hash    uint64
}

func (m *machine) apply(entry raftcore.Entry) {
	h := fnv.New64a()
	var head [32]byte
	binary.LittleEndian.PutUint64(head[0:], m.hash)
	binary.LittleEndian.PutUint64(head[8:], entry.Term)
	binary.LittleEndian.PutUint64(head[16:], entry.Index)
	binary.LittleEndian.PutUint64(head[24:], uint64(entry.Kind))
	h.Write(head[:])
	h.Write(entry.Data)
	m.hash, m.applied = h.Sum64(), entry.Index
}

func (m *machine) snapshot() []byte {
	return binary.LittleEndian.AppendUint64(nil, m.hash)
}

func (m *machine) restore(snapshot raftcore.Snapshot) {
	*m = machine{applied: snapshot.Index}
	if len(snapshot.Data) == 8 { // the snapshot that a group starts with has no data
		m.hash = binary.LittleEndian.Uint64(snapshot.Data)
	}
}

func newDisk(members raftcore.ConfState) *disk {
	d := &disk{MemoryStorage: raftcore.NewMemoryStorage(members)}
	d.synced, _, _ = d.InitialState()
	if len(members.Voters) > 0 {
		d.machine.applied = 1
	}
	return d
}

// store persists what a Ready wants stored.
func (d *disk) store(ready *raftcore.Ready) error {
	if err := d.Store(ready); err != nil {
		return err
	}
	if ready.MustSync {
		d.sync()
	}
	return nil
}

func (d *disk) sync() {
	d.synced, _, _ = d.InitialState()
}

// makeSnapshot makes a snapshot of all that is applied, and perhaps compacts a part of the log.
func (d *disk) makeSnapshot(random *rand.Rand) error {
	if snapshot, err := d.Snapshot(); err == nil && snapshot.Index >= d.machine.applied {
		return nil
	}
	if err := d.MakeSnapshot(d.machine.applied, d.machine.snapshot()); err != nil {
		return err
	}
	d.sync()
	kept := random.Uint64N(6)
	first, _ := d.FirstIndex()
	if through := d.machine.applied - min(kept, d.machine.applied); through >= first {
		return d.Compact(through)
	}
	return nil
}

// crash loses what need not survive: a commit index that was not synced, and the state machine, which
// is to be rebuilt from the last snapshot.
func (d *disk) crash() {
	d.SetHardState(d.synced)
	snapshot, err := d.Snapshot()
	if err != nil { // a node that has yet to join
		snapshot = raftcore.Snapshot{}
	}
	d.machine.restore(snapshot)
	d.SetConfState(snapshot.ConfState)
}

// etcdDisk shows a disk to etcd/raft.
type etcdDisk struct{ *disk }

func (d etcdDisk) InitialState() (*pb.HardState, *pb.ConfState, error) {
	hard, members, err := d.disk.InitialState()
	return hardStateToEtcd(hard), confStateToEtcd(members), err
}

func (d etcdDisk) Entries(low, high, maxSize uint64) ([]*pb.Entry, error) {
	entries, err := d.disk.Entries(low, high, maxSize)
	if err != nil {
		return nil, errorToEtcd(err)
	}
	out := make([]*pb.Entry, 0, len(entries))
	size := uint64(0)
	for _, entry := range entries {
		converted := entryToEtcd(entry)
		size += uint64(entrySize(converted))
		if len(out) > 0 && size > maxSize {
			break
		}
		out = append(out, converted)
	}
	return out, nil
}

func (d etcdDisk) Term(index uint64) (uint64, error) {
	term, err := d.disk.Term(index)
	return term, errorToEtcd(err)
}

func (d etcdDisk) Snapshot() (*pb.Snapshot, error) {
	snapshot, err := d.disk.Snapshot()
	if err != nil {
		return nil, errorToEtcd(err)
	}
	return snapshotToEtcd(snapshot), nil
}

func errorToEtcd(err error) error {
	switch err {
	case raftcore.ErrCompacted:
		return raft.ErrCompacted
	case raftcore.ErrUnavailable:
		return raft.ErrUnavailable
	case raftcore.ErrSnapshotUnavailable:
		return raft.ErrSnapshotTemporarilyUnavailable
	}
	return err
}
