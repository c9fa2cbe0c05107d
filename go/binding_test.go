// SPDX-License-Identifier: Apache-2.0

package raftcore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
)

func TestAMembershipChangeIsReadAndChanged(t *testing.T) {
	g := newGroup(t, 1)
	g.lead(t, 1)
	change := ConfChange{
		Transition: TransitionExplicit,
		Ops:        []ConfChangeOp{{Type: AddLearner, Node: 2}, {Type: AddVoter, Node: 3}},
		Context:    []byte("where they are"),
	}
	for _, dialect := range []Dialect{DialectEtcd, DialectTikv} {
		data, err := change.Encode(EntryConfChangeV2, dialect)
		must(t, err)
		decoded, err := DecodeConfChange(Entry{Kind: EntryConfChangeV2, Data: data}, dialect)
		must(t, err)
		if !reflect.DeepEqual(decoded, change) {
			t.Errorf("%+v became %+v", change, decoded)
		}
	}
	if _, err := DecodeConfChange(Entry{}, DialectEtcd); !errors.Is(err, ErrDecode) {
		t.Errorf("an entry without a change: %v", err)
	}
	if _, err := change.Encode(EntryConfChange, DialectEtcd); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("two operations in one of the first version: %v", err)
	}

	_, err := g[1].ProposeConfChange(ConfChange{Ops: []ConfChangeOp{{Type: AddVoter, Node: 2}}})
	must(t, err)
	for ready, err := g[1].Ready(); ready != nil; ready, err = g[1].Ready() {
		must(t, err)
		must(t, g[1].storage.Store(ready))
		for _, entry := range ready.CommittedEntries {
			if entry.Kind == EntryNormal {
				continue
			}
			state, err := g[1].ApplyConfChangeAs(entry, ConfChange{Ops: []ConfChangeOp{{Type: AddLearner, Node: 2}}})
			must(t, err)
			if fmt.Sprint(state.Voters, state.Learners) != "[1] [2]" {
				t.Errorf("the membership is %+v", state)
			}
		}
		must(t, g[1].Advance(ready))
	}
}

func TestWhatIsEncodedIsDecoded(t *testing.T) {
	state := ConfState{Voters: []uint64{1, 2}, Learners: []uint64{4}, VotersOutgoing: []uint64{1, 3}, LearnersNext: []uint64{3}, AutoLeave: true}
	must(t, state.Check())
	encodedState, err := state.Encode()
	must(t, err)
	decodedState, err := DecodeConfState(encodedState)
	must(t, err)
	snapshot := Snapshot{Term: 3, Index: 9, ConfState: state, Data: []byte("state")}
	encodedSnapshot, err := snapshot.Encode()
	must(t, err)
	decodedSnapshot, err := DecodeSnapshot(encodedSnapshot)
	must(t, err)
	backup, err := EncodeBackup(snapshot)
	must(t, err)
	restored, err := DecodeBackup(backup)
	must(t, err)
	entry := Entry{Term: 3, Index: 10, Kind: EntryConfChangeV2, Flags: EntryKindStated, Data: []byte("data")}
	encodedEntry, err := entry.Encode()
	must(t, err)
	decodedEntry, err := DecodeEntry(encodedEntry)
	must(t, err)
	message := MessageFields{Type: MessageAppend, From: 1, To: 2, Term: 3, LogTerm: 2, Index: 9, Commit: 8, Entries: []Entry{entry}}
	encodedMessage, err := message.Encode()
	must(t, err)
	decodedMessage, err := DecodeMessage(encodedMessage)
	must(t, err)
	withSnapshot := MessageFields{Type: MessageSnapshot, From: 1, To: 2, Term: 3, Snapshot: &snapshot}
	encodedSnapshotMessage, err := withSnapshot.Encode()
	must(t, err)
	decodedSnapshotMessage, err := DecodeMessage(encodedSnapshotMessage)
	must(t, err)
	for _, pair := range [][2]any{
		{state, decodedState}, {snapshot, *decodedSnapshot}, {snapshot, *restored}, {entry, decodedEntry},
		{message, decodedMessage}, {withSnapshot, decodedSnapshotMessage},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%+v became %+v", pair[0], pair[1])
		}
	}
	if entry.EncodedLen() != uint64(len(encodedEntry)) {
		t.Errorf("an encoding of %d bytes counts as %d", len(encodedEntry), entry.EncodedLen())
	}
	for limit, count := range map[uint64]int{0: 1, 2 * entry.EncodedLen(): 2, NoLimit: 3} {
		if got := EntriesFitting([]Entry{entry, entry, entry}, limit); got != count {
			t.Errorf("%d entries fit %d bytes, not %d", got, limit, count)
		}
	}
	info, err := InspectMessage(encodedMessage, DialectEtcd)
	must(t, err)
	if info.Type != MessageAppend || info.PayloadBytes != 4 {
		t.Errorf("a message looks like %+v", info)
	}
	backup[len(backup)-1]++
	if _, err := DecodeBackup(backup); !errors.Is(err, ErrDecode) {
		t.Errorf("a damaged backup: %v", err)
	}
	if err := (ConfState{Voters: []uint64{0}}).Check(); !errors.Is(err, ErrConfChange) {
		t.Errorf("node 0: %v", err)
	}
	for name, err := range map[string]error{
		"state": second(DecodeConfState([]byte{0x7f})), "snapshot": second(DecodeSnapshot([]byte{0x7f})),
		"entry": second(DecodeEntry([]byte{0x7f})), "message": second(DecodeMessage([]byte{0x7f})),
	} {
		if !errors.Is(err, ErrDecode) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestALeaderKnowsItsMembers(t *testing.T) {
	g := newGroup(t, 1, 2, 3)
	g.lead(t, 1)
	progress, err := g[1].Progress()
	must(t, err)
	if len(progress) != 3 || progress[1].ID != 2 || progress[1].Matched != 2 || progress[1].State != ProgressReplicate || !progress[1].IsActive {
		t.Errorf("the progress is %+v", progress)
	}
	progress, err = g[2].Progress()
	must(t, err)
	if len(progress) != 0 {
		t.Errorf("a follower's progress is %+v", progress)
	}
	hard, err := g[1].HardState()
	must(t, err)
	soft, err := g[1].SoftState()
	must(t, err)
	if hard != (HardState{Term: 2, Vote: 1, Commit: 2}) || soft != (SoftState{Leader: 1, Role: Leader}) {
		t.Errorf("the state is %+v, %+v", hard, soft)
	}
	text, err := g[1].StatusJSON()
	must(t, err)
	var object map[string]any
	must(t, json.Unmarshal(text, &object))
	if object["term"] != 2.0 {
		t.Errorf("the status is %s", text)
	}
	must(t, g[1].CheckInvariants())
	if g[3].ID() != 3 {
		t.Error("the node has another id")
	}
}

func TestBatches(t *testing.T) {
	g := newGroup(t, 1, 2, 3)
	g.lead(t, 1)
	for _, count := range []int{1, 3, 100} {
		payloads := make([][]byte, count)
		for i := range payloads {
			payloads[i] = bytes.Repeat([]byte{byte(i)}, i) // the first one is empty
		}
		first, err := g[1].ProposeBatch(payloads)
		must(t, err)
		g.settle(t)
		entries, err := g[2].storage.Entries(first.Index, first.Index+uint64(count), NoLimit)
		must(t, err)
		for i, entry := range entries {
			if !bytes.Equal(entry.Data, payloads[i]) {
				t.Errorf("payload %d of %d became %q", i, count, entry.Data)
			}
		}
	}
	if _, err := g[1].ProposeBatch(nil); !errors.Is(err, ErrProposalDropped) {
		t.Errorf("nothing was proposed: %v", err)
	}

	heartbeat, err := MessageFields{Type: MessageHeartbeat, From: 1, To: 2, Term: 2}.Encode()
	must(t, err)
	results := make([]Status, 3)
	err = g[2].StepBatch([][]byte{heartbeat, {0x7f}, heartbeat}, results)
	if !errors.Is(err, ErrDecode) || !reflect.DeepEqual(results, []Status{0, ErrDecode, 0}) {
		t.Errorf("the answers are %v, %v", results, err)
	}
	must(t, g[2].StepBatch(nil, nil))
	must(t, g[2].StepBatch([][]byte{heartbeat}, nil))
	if err := g[2].StepBatch([][]byte{heartbeat}, []Status{}); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("no room for the answers: %v", err)
	}
	must(t, g[3].TickN(5))
	if err := g[3].TickN(1 << 21); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("too many ticks: %v", err)
	}
}

func TestAnObserverHears(t *testing.T) {
	var text strings.Builder
	logger := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	g := newGroup(t, 1)
	var lines []string
	times := uint64(0)
	must(t, g[1].SetObserver(Observer{
		Logger: logger,
		Trace:  func(json []byte) { lines = append(lines, string(json)) },
		Format: TraceEtcd,
		Time:   func() uint64 { times++; return 1000 + times },
	}))
	g.lead(t, 1)
	if !strings.Contains(text.String(), "level=INFO") || !strings.Contains(text.String(), "node=1") {
		t.Errorf("the log is %q", text.String())
	}
	if len(lines) == 0 || times == 0 || !json.Valid([]byte(lines[0])) {
		t.Errorf("the trace is %q", lines)
	}
	must(t, g[1].SetObserver(Observer{}))
	seen := len(lines)
	must(t, g[1].Tick())
	_, err := g[1].Propose(nil)
	must(t, err)
	g.settle(t)
	if len(lines) != seen {
		t.Error("the observer that was taken away hears still")
	}

	// An observer that calls the node, or panics, harms nobody.
	var inside error
	must(t, g[1].SetObserver(Observer{Trace: func([]byte) {
		inside = g[1].Tick()
		panic("on purpose")
	}}))
	_, err = g[1].Propose(nil)
	must(t, err)
	g.settle(t)
	if !errors.Is(inside, ErrReentrant) {
		t.Errorf("the call in the observer: %v", inside)
	}
}

func TestTheMemoryOfTheLibrary(t *testing.T) {
	node, err := NewInMemory(DefaultConfig(1), ConfState{Voters: []uint64{1}})
	must(t, err)
	defer node.Close()
	must(t, node.Campaign())
	for ready, err := node.Ready(); ready != nil; ready, err = node.Ready() {
		must(t, err)
		must(t, node.Advance(ready))
	}
	must(t, node.MemorySnapshot(2, []byte("state")))
	must(t, node.MemoryCompact(2))
	if err := node.MemoryCompact(2); !errors.Is(err, ErrStorage) {
		t.Errorf("forgotten twice: %v", err)
	}
	empty, err := NewInMemory(DefaultConfig(2), ConfState{})
	must(t, err)
	defer empty.Close()
	state, err := empty.ConfState()
	must(t, err)
	if len(state.Voters) != 0 {
		t.Errorf("a node that joins later has members: %+v", state)
	}
}
