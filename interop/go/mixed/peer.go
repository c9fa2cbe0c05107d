// SPDX-License-Identifier: Apache-2.0

package mixed

import (
	"bytes"
	"fmt"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	raftcore "raftcore.example/go"
)

// side is an implementation of Raft.
type side int

const (
	ours side = iota
	etcd
)

func (s side) String() string {
	return [...]string{"raftcore", "etcd"}[s]
}

func (s side) other() side {
	return 1 - s
}

// peer is a Raft node of either side. Refusals (no leader is known, a message of a stranger) are no
// errors; an error ends the run.
type peer interface {
	tick() error
	step(message []byte) error
	propose(data []byte) error
	proposeConfChange(change raftcore.ConfChange, v1 bool) error
	applyConfChange(entry raftcore.Entry) (raftcore.ConfState, error)
	campaign() error
	transferLeader(to uint64) error
	readIndex(context []byte) error
	reportUnreachable(id uint64) error
	reportSnapshot(id uint64, delivered bool) error
	// ready returns work, or nil; advance ends it.
	ready() (*raftcore.Ready, error)
	advance(*raftcore.Ready) error
	status() (status, error)
	close() error
}

// status is what the run wants to know of a node.
type status struct {
	leads  bool
	leader uint64
	term   uint64
	commit uint64
}

// settings are those of all nodes of a cluster.
type settings struct {
	preVote     bool
	checkQuorum bool
	eager       bool
	maxMessage  uint64
	maxInflight int
}

func newPeer(of side, id uint64, disk *disk, set settings, seed uint64) (peer, error) {
	if of == ours {
		return newOurs(id, disk, set, seed)
	}
	return newEtcd(id, disk, set)
}

type ourPeer struct{ node *raftcore.Node }

func newOurs(id uint64, disk *disk, set settings, seed uint64) (peer, error) {
	config := raftcore.DefaultConfig(id)
	config.Seed = seed
	config.Applied = disk.machine.applied
	config.PreVote = set.preVote
	config.CheckQuorum = set.checkQuorum
	config.EagerAppend = set.eager
	config.MaxMessageBytes = set.maxMessage
	config.MaxInflightMessages = uint32(set.maxInflight)
	node, err := raftcore.New(config, disk)
	return ourPeer{node}, err
}

// tolerate forgets errors that hosts log and forget.
func tolerate(err error, refusals ...raftcore.Status) error {
	failed, ok := err.(*raftcore.Error)
	if !ok {
		return err
	}
	for _, refusal := range refusals {
		if failed.Status == refusal {
			return nil
		}
	}
	return err
}

func (p ourPeer) tick() error { return p.node.Tick() }

func (p ourPeer) step(message []byte) error {
	return tolerate(p.node.Step(message), raftcore.ErrPeerNotFound, raftcore.ErrProposalDropped,
		raftcore.ErrConfChange)
}

func (p ourPeer) propose(data []byte) error {
	_, err := p.node.Propose(data)
	return tolerate(err, raftcore.ErrProposalDropped)
}

// proposeConfChange proposes the second version only: the C interface has no other.
func (p ourPeer) proposeConfChange(change raftcore.ConfChange, _ bool) error {
	_, err := p.node.ProposeConfChange(change)
	return tolerate(err, raftcore.ErrProposalDropped, raftcore.ErrConfChange)
}

func (p ourPeer) applyConfChange(entry raftcore.Entry) (raftcore.ConfState, error) {
	return p.node.ApplyConfChange(entry)
}

func (p ourPeer) campaign() error { return p.node.Campaign() }

func (p ourPeer) transferLeader(to uint64) error {
	return tolerate(p.node.TransferLeader(to), raftcore.ErrNoLeader, raftcore.ErrInvalidTransferee)
}

func (p ourPeer) readIndex(context []byte) error {
	return tolerate(p.node.ReadIndex(context), raftcore.ErrNoLeader)
}

func (p ourPeer) reportUnreachable(id uint64) error { return p.node.ReportUnreachable(id) }

func (p ourPeer) reportSnapshot(id uint64, delivered bool) error {
	return p.node.ReportSnapshot(id, delivered)
}

// ready also holds our encoding against protobuf's own: it must be what etcd would have written.
func (p ourPeer) ready() (*raftcore.Ready, error) {
	ready, err := p.node.Ready()
	if err != nil || ready == nil {
		return nil, err
	}
	for _, message := range ready.Messages {
		var decoded pb.Message
		if err := proto.Unmarshal(message.Bytes, &decoded); err != nil {
			return nil, fmt.Errorf("etcd cannot decode %x: %w", message.Bytes, err)
		}
		again, err := proto.MarshalOptions{Deterministic: true}.Marshal(&decoded)
		if err != nil || !bytes.Equal(again, message.Bytes) {
			return nil, fmt.Errorf("etcd encodes %v as %x, raftcore as %x (%v)", &decoded, again, message.Bytes, err)
		}
	}
	return ready, nil
}

func (p ourPeer) advance(ready *raftcore.Ready) error { return p.node.Advance(ready) }

func (p ourPeer) status() (status, error) {
	s, err := p.node.Status()
	return status{
		leads:  s.Role == raftcore.Leader,
		leader: s.Leader,
		term:   s.HardState.Term,
		commit: s.HardState.Commit,
	}, err
}

func (p ourPeer) close() error { return p.node.Close() }

// etcdPeer is a raft.RawNode; it panics where it finds something wrong, and the run ends.
type etcdPeer struct {
	node *raft.RawNode
	last raft.Ready
}

func newEtcd(id uint64, disk *disk, set settings) (peer, error) {
	node, err := raft.NewRawNode(&raft.Config{
		ID:                       id,
		ElectionTick:             10,
		HeartbeatTick:            1,
		Storage:                  etcdDisk{disk},
		Applied:                  disk.machine.applied,
		MaxSizePerMsg:            set.maxMessage,
		MaxCommittedSizePerReady: raftcore.NoLimit,
		MaxInflightMsgs:          set.maxInflight,
		CheckQuorum:              set.checkQuorum,
		PreVote:                  set.preVote,
		StepDownOnRemoval:        true,
		Logger:                   quiet{},
	})
	return &etcdPeer{node: node}, err
}

func (p *etcdPeer) tick() error {
	p.node.Tick()
	return nil
}

// step hands bytes over as they came.
func (p *etcdPeer) step(message []byte) error {
	var decoded pb.Message
	if err := proto.Unmarshal(message, &decoded); err != nil {
		return fmt.Errorf("etcd cannot decode %x: %w", message, err)
	}
	return etcdRefusal(p.node.Step(&decoded))
}

func etcdRefusal(err error) error {
	if err == raft.ErrStepPeerNotFound || err == raft.ErrProposalDropped {
		return nil
	}
	return err
}

func (p *etcdPeer) propose(data []byte) error {
	return etcdRefusal(p.node.Propose(data))
}

func (p *etcdPeer) proposeConfChange(change raftcore.ConfChange, v1 bool) error {
	if v1 && len(change.Ops) == 1 && change.Transition == raftcore.TransitionAuto {
		return etcdRefusal(p.node.ProposeConfChange(&pb.ConfChange{
			Type:    pb.ConfChangeType(change.Ops[0].Type).Enum(),
			NodeId:  &change.Ops[0].Node,
			Context: change.Context,
		}))
	}
	return etcdRefusal(p.node.ProposeConfChange(confChangeToEtcd(change)))
}

func (p *etcdPeer) applyConfChange(entry raftcore.Entry) (raftcore.ConfState, error) {
	if entry.Kind == raftcore.EntryConfChange {
		var change pb.ConfChange
		if err := proto.Unmarshal(entry.Data, &change); err != nil {
			return raftcore.ConfState{}, err
		}
		return confStateOfEtcd(p.node.ApplyConfChange(&change)), nil
	}
	var change pb.ConfChangeV2
	if err := proto.Unmarshal(entry.Data, &change); err != nil {
		return raftcore.ConfState{}, err
	}
	return confStateOfEtcd(p.node.ApplyConfChange(&change)), nil
}

func (p *etcdPeer) campaign() error { return etcdRefusal(p.node.Campaign()) }

func (p *etcdPeer) transferLeader(to uint64) error {
	p.node.TransferLeader(to)
	return nil
}

func (p *etcdPeer) readIndex(context []byte) error {
	p.node.ReadIndex(context)
	return nil
}

func (p *etcdPeer) reportUnreachable(id uint64) error {
	p.node.ReportUnreachable(id)
	return nil
}

func (p *etcdPeer) reportSnapshot(id uint64, delivered bool) error {
	outcome := raft.SnapshotFailure
	if delivered {
		outcome = raft.SnapshotFinish
	}
	p.node.ReportSnapshot(id, outcome)
	return nil
}

func (p *etcdPeer) ready() (*raftcore.Ready, error) {
	if !p.node.HasReady() {
		return nil, nil
	}
	p.last = p.node.Ready()
	ready := &raftcore.Ready{
		MustSync:         p.last.MustSync,
		Entries:          entriesOfEtcd(p.last.Entries),
		CommittedEntries: entriesOfEtcd(p.last.CommittedEntries),
	}
	if !raft.IsEmptyHardState(p.last.HardState) {
		hard := hardStateOfEtcd(p.last.HardState)
		ready.HardState = &hard
	}
	if !raft.IsEmptySnap(p.last.Snapshot) {
		ready.Snapshot = snapshotOfEtcd(p.last.Snapshot)
		ready.MustSync = true
	}
	for _, message := range p.last.Messages {
		encoded, err := proto.Marshal(message)
		if err != nil {
			return nil, err
		}
		ready.Messages = append(ready.Messages, raftcore.Message{
			To:    message.GetTo(),
			Type:  raftcore.MessageType(message.GetType()),
			Bytes: encoded,
		})
	}
	for _, read := range p.last.ReadStates {
		ready.ReadStates = append(ready.ReadStates, raftcore.ReadState{Index: read.Index, Context: read.RequestCtx})
	}
	return ready, nil
}

func (p *etcdPeer) advance(*raftcore.Ready) error {
	p.node.Advance(p.last)
	return nil
}

func (p *etcdPeer) status() (status, error) {
	s := p.node.BasicStatus()
	return status{
		leads:  s.RaftState == raft.StateLeader,
		leader: s.Lead,
		term:   s.GetTerm(),
		commit: s.GetCommit(),
	}, nil
}

func (p *etcdPeer) close() error { return nil }

// quiet is a logger that says nothing, but ends the run when etcd/raft wants to.
type quiet struct{}

func (quiet) Debug(...any)                   {}
func (quiet) Debugf(string, ...any)          {}
func (quiet) Error(...any)                   {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Info(...any)                    {}
func (quiet) Infof(string, ...any)           {}
func (quiet) Warning(...any)                 {}
func (quiet) Warningf(string, ...any)        {}
func (quiet) Fatal(v ...any)                 { panic(fmt.Sprint(v...)) }
func (quiet) Fatalf(format string, v ...any) { panic(fmt.Sprintf(format, v...)) }
func (quiet) Panic(v ...any)                 { panic(fmt.Sprint(v...)) }
func (quiet) Panicf(format string, v ...any) { panic(fmt.Sprintf(format, v...)) }
