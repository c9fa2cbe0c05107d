// SPDX-License-Identifier: Apache-2.0

package mixed

import (
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	raftcore "raftcore.example/go"
)

// Between the types of the two packages: for disks and state machines. Messages are not converted;
// they cross as bytes.

func hardStateToEtcd(hard raftcore.HardState) *pb.HardState {
	return &pb.HardState{Term: &hard.Term, Vote: &hard.Vote, Commit: &hard.Commit}
}

func hardStateOfEtcd(hard *pb.HardState) raftcore.HardState {
	return raftcore.HardState{Term: hard.GetTerm(), Vote: hard.GetVote(), Commit: hard.GetCommit()}
}

func confStateToEtcd(state raftcore.ConfState) *pb.ConfState {
	state = state.Clone()
	return &pb.ConfState{
		Voters:         state.Voters,
		Learners:       state.Learners,
		VotersOutgoing: state.VotersOutgoing,
		LearnersNext:   state.LearnersNext,
		AutoLeave:      &state.AutoLeave,
	}
}

func confStateOfEtcd(state *pb.ConfState) raftcore.ConfState {
	return raftcore.ConfState{
		Voters:         state.GetVoters(),
		Learners:       state.GetLearners(),
		VotersOutgoing: state.GetVotersOutgoing(),
		LearnersNext:   state.GetLearnersNext(),
		AutoLeave:      state.GetAutoLeave(),
	}.Clone()
}

func entryToEtcd(entry raftcore.Entry) *pb.Entry {
	out := &pb.Entry{Term: &entry.Term, Index: &entry.Index, Data: entry.Data}
	if entry.Flags&raftcore.EntryKindStated != 0 || entry.Kind != raftcore.EntryNormal {
		out.Type = pb.EntryType(entry.Kind).Enum()
	}
	return out
}

func entryOfEtcd(entry *pb.Entry) raftcore.Entry {
	out := raftcore.Entry{
		Term:  entry.GetTerm(),
		Index: entry.GetIndex(),
		Kind:  raftcore.EntryKind(entry.GetType()),
		Data:  entry.GetData(),
	}
	if entry.Type != nil {
		out.Flags = raftcore.EntryKindStated
	}
	return out
}

func entriesOfEtcd(entries []*pb.Entry) []raftcore.Entry {
	out := make([]raftcore.Entry, 0, len(entries))
	for _, entry := range entries {
		out = append(out, entryOfEtcd(entry))
	}
	return out
}

func entrySize(entry *pb.Entry) int {
	return proto.Size(entry)
}

func snapshotToEtcd(snapshot raftcore.Snapshot) *pb.Snapshot {
	return &pb.Snapshot{
		Data: snapshot.Data,
		Metadata: &pb.SnapshotMetadata{
			ConfState: confStateToEtcd(snapshot.ConfState),
			Index:     &snapshot.Index,
			Term:      &snapshot.Term,
		},
	}
}

func snapshotOfEtcd(snapshot *pb.Snapshot) *raftcore.Snapshot {
	meta := snapshot.GetMetadata()
	return &raftcore.Snapshot{
		Term:      meta.GetTerm(),
		Index:     meta.GetIndex(),
		ConfState: confStateOfEtcd(meta.GetConfState()),
		Data:      snapshot.GetData(),
	}
}

func confChangeToEtcd(change raftcore.ConfChange) *pb.ConfChangeV2 {
	out := &pb.ConfChangeV2{Context: change.Context}
	if change.Transition != raftcore.TransitionAuto {
		out.Transition = pb.ConfChangeTransition(change.Transition).Enum()
	}
	for _, op := range change.Ops {
		out.Changes = append(out.Changes, &pb.ConfChangeSingle{
			Type:   pb.ConfChangeType(op.Type).Enum(),
			NodeId: &op.Node,
		})
	}
	return out
}
