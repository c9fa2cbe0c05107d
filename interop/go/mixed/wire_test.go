// SPDX-License-Identifier: Apache-2.0

package mixed

import (
	"bytes"
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	raftcore "raftcore.example/go"
)

var update = flag.Bool("update", false, "write ../../testdata/messages.bin anew")

func confStateOf(voters ...uint64) raftcore.ConfState {
	return raftcore.ConfState{Voters: voters}
}

// generator draws messages of all types that cross the wire, as etcd's types hold them: each field
// present or not, with small and with enormous values.
type generator struct{ *rand.Rand }

var wireTypes = []pb.MessageType{
	pb.MsgProp, pb.MsgApp, pb.MsgAppResp, pb.MsgVote, pb.MsgVoteResp, pb.MsgSnap, pb.MsgHeartbeat,
	pb.MsgHeartbeatResp, pb.MsgTransferLeader, pb.MsgTimeoutNow, pb.MsgReadIndex, pb.MsgReadIndexResp,
	pb.MsgPreVote, pb.MsgPreVoteResp,
}

func (g generator) number() *uint64 {
	switch g.IntN(5) {
	case 0:
		return nil
	case 1:
		return new(uint64)
	default:
		value := g.Uint64() >> g.IntN(64)
		return &value
	}
}

func (g generator) index() uint64 {
	return 1 + g.Uint64()>>(1+g.IntN(60))
}

func (g generator) data() []byte {
	if g.IntN(4) == 0 {
		return nil
	}
	data := make([]byte, g.IntN(300))
	for i := range data {
		data[i] = byte(g.Uint32())
	}
	return data
}

func (g generator) ids() []uint64 {
	ids := make([]uint64, g.IntN(5))
	for i := range ids {
		ids[i] = g.index()
	}
	return ids
}

func (g generator) entries(kind pb.MessageType, prev uint64) []*pb.Entry {
	switch kind {
	case pb.MsgReadIndex, pb.MsgReadIndexResp:
		return []*pb.Entry{{Data: g.data()}} // the reader's context
	case pb.MsgApp, pb.MsgProp:
	default:
		return nil
	}
	entries := make([]*pb.Entry, g.IntN(6))
	if kind == pb.MsgProp {
		entries = append(entries, nil) // at least one
	}
	for i := range entries {
		entry := &pb.Entry{Data: g.data()}
		if kind == pb.MsgApp {
			prev++
			entry.Index, entry.Term = proto.Uint64(prev), proto.Uint64(7)
		}
		if g.IntN(2) == 0 {
			entry.Type = pb.EntryType(g.IntN(3)).Enum()
		}
		entries[i] = entry
	}
	return entries
}

func (g generator) message() *pb.Message {
	kind := wireTypes[g.IntN(len(wireTypes))]
	index := g.index()
	message := &pb.Message{
		Type: kind.Enum(), To: proto.Uint64(g.index()), From: proto.Uint64(g.index()), Term: proto.Uint64(g.index() + 7),
		LogTerm: g.number(), Index: &index, Entries: g.entries(kind, index), Commit: g.number(),
		RejectHint: g.number(), Context: g.data(), Vote: g.number(),
	}
	if kind == pb.MsgApp {
		message.LogTerm = proto.Uint64(uint64(g.IntN(8)))
	}
	if g.IntN(2) == 0 {
		message.Reject = proto.Bool(g.IntN(2) == 0)
	}
	if kind == pb.MsgSnap {
		message.Snapshot = &pb.Snapshot{Data: g.data(), Metadata: &pb.SnapshotMetadata{
			Index: &index, Term: proto.Uint64(7),
			ConfState: &pb.ConfState{Voters: g.ids(), Learners: g.ids(), VotersOutgoing: g.ids(), LearnersNext: g.ids(),
				AutoLeave: proto.Bool(g.IntN(2) == 0)},
		}}
	}
	return message
}

func encode(t *testing.T, message *pb.Message) []byte {
	t.Helper()
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func TestRaftcoreReadsWhatEtcdWrites(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(1, 2))}
	for range 20_000 {
		message := g.message()
		info, err := raftcore.InspectMessage(encode(t, message), raftcore.DialectEtcd)
		if err != nil {
			t.Fatalf("%v: %v", message, err)
		}
		want := raftcore.MessageInfo{
			Type: raftcore.MessageType(message.GetType()), From: message.GetFrom(), To: message.GetTo(),
			Term: message.GetTerm(),
		}
		switch message.GetType() {
		case pb.MsgApp, pb.MsgProp, pb.MsgReadIndex, pb.MsgReadIndexResp:
			want.Entries = uint64(len(message.GetEntries()))
		}
		info.PayloadBytes = 0 // etcd's types do not count it
		if info != want {
			t.Fatalf("%v was read as %+v", message, info)
		}
	}
}

// The corpus is what ../../rust reads back field by field: each message preceded by its size in four
// bytes, least first. This test keeps it as the generator makes it.
func TestTheCorpusIsCurrent(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(3, 4))}
	var corpus []byte
	for range 600 {
		encoded := encode(t, g.message())
		corpus = binary.LittleEndian.AppendUint32(corpus, uint32(len(encoded)))
		corpus = append(corpus, encoded...)
	}
	path := filepath.Join("..", "..", "testdata", "messages.bin")
	if *update {
		if err := os.WriteFile(path, corpus, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, corpus) {
		t.Error("testdata/messages.bin is not what the generator makes; write it with -update")
	}
}
