// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"log"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// firstIndex is where the snapshot is that a group starts from.
const firstIndex = 1

// member is a node with its storage.
type member struct {
	node    *raft.RawNode
	storage *raft.MemoryStorage
	applied sequence
	// inbox has what other nodes have sent; encoded the same, encoded.
	inbox   []*pb.Message
	encoded [][]byte
}

// group is a Raft group in one goroutine; its first member leads.
type group struct {
	work  workload
	nodes []*member
	// route takes what is sent, if it is set, instead of the receiver's inbox.
	route    func(*pb.Message) error
	messages uint64
}

func newGroup(work workload) (*group, error) {
	g := &group{work: work}
	var voters []uint64
	for id := uint64(1); id <= work.nodes; id++ {
		voters = append(voters, id)
	}
	for _, id := range voters {
		m, err := newMember(id, voters)
		if err != nil {
			return nil, err
		}
		g.nodes = append(g.nodes, m)
	}
	if err := g.nodes[0].node.Campaign(); err != nil {
		return nil, err
	}
	if err := g.settle(); err != nil {
		return nil, err
	}
	if g.nodes[0].node.BasicStatus().RaftState != raft.StateLeader {
		return nil, errors.New("the first node was not elected")
	}
	return g, nil
}

func newMember(id uint64, voters []uint64) (*member, error) {
	storage := raft.NewMemoryStorage()
	index, term := uint64(firstIndex), uint64(1)
	if err := storage.ApplySnapshot(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{
		Index: &index, Term: &term, ConfState: &pb.ConfState{Voters: voters},
	}}); err != nil {
		return nil, err
	}
	node, err := raft.NewRawNode(&raft.Config{
		ID:                        id,
		ElectionTick:              10,
		HeartbeatTick:             1,
		Storage:                   storage,
		Applied:                   firstIndex,
		MaxSizePerMsg:             1 << 20,
		MaxCommittedSizePerReady:  64 << 20,
		MaxUncommittedEntriesSize: 1 << 30,
		MaxInflightMsgs:           256,
		CheckQuorum:               true,
		PreVote:                   true,
		Logger:                    &raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)},
	})
	return &member{node: node, storage: storage, applied: sequence{index: firstIndex}}, err
}

// replicate proposes a batch; all nodes have applied it afterwards.
func (g *group) replicate(batch [][]byte) error {
	for _, payload := range batch {
		if err := g.nodes[0].node.Propose(payload); err != nil {
			return err
		}
	}
	return g.settle()
}

// settle runs until there is nothing left to do.
func (g *group) settle() error {
	for worked := true; worked; {
		worked = false
		for _, m := range g.nodes {
			if err := m.receive(); err != nil {
				return err
			}
			for m.node.HasReady() {
				worked = true
				if err := g.drive(m); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (m *member) receive() error {
	for i, encoded := range m.encoded {
		message := new(pb.Message)
		if err := proto.Unmarshal(encoded, message); err != nil {
			return err
		}
		m.inbox = append(m.inbox, message)
		m.encoded[i] = nil
	}
	m.encoded = m.encoded[:0]
	for i, message := range m.inbox {
		if err := m.node.Step(message); err != nil {
			return err
		}
		m.inbox[i] = nil
	}
	m.inbox = m.inbox[:0]
	return nil
}

// drive is one round of the host's loop: store, send, apply.
func (g *group) drive(m *member) error {
	ready := m.node.Ready()
	if !raft.IsEmptySnap(ready.Snapshot) {
		return errors.New("a snapshot was sent, but none is needed here")
	}
	if err := m.storage.Append(ready.Entries); err != nil {
		return err
	}
	if !raft.IsEmptyHardState(ready.HardState) {
		if err := m.storage.SetHardState(ready.HardState); err != nil {
			return err
		}
	}
	g.messages += uint64(len(ready.Messages))
	for _, message := range ready.Messages {
		if err := g.send(message); err != nil {
			return err
		}
	}
	for _, entry := range ready.CommittedEntries {
		if entry.GetIndex() != m.applied.index+1 {
			return fmt.Errorf("entry %d was applied after entry %d", entry.GetIndex(), m.applied.index)
		}
		m.applied.index++
		if g.work.corrupt && m == g.nodes[1] && len(entry.Data) > 0 {
			m.applied.add([]byte("damaged!"))
			continue
		}
		m.applied.add(entry.Data)
	}
	m.node.Advance(ready)
	return nil
}

func (g *group) send(message *pb.Message) error {
	if g.route != nil {
		return g.route(message)
	}
	to := g.nodes[message.GetTo()-1]
	if !g.work.encode {
		to.inbox = append(to.inbox, message)
		return nil
	}
	encoded, err := proto.Marshal(message)
	to.encoded = append(to.encoded, encoded)
	return err
}

// compact forgets what is not needed any more.
func (g *group) compact() error {
	for _, m := range g.nodes {
		if m.applied.index > firstIndex+kept {
			if err := m.storage.Compact(m.applied.index - kept); err != nil {
				return err
			}
		}
	}
	return nil
}
