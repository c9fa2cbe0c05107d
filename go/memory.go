// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package raftcore

import (
	"fmt"
	"slices"
	"sync"
)

// MemoryStorage is a [Storage] in memory: for tests, first steps, and as a model of one on disk. It
// may be used by several goroutines.
type MemoryStorage struct {
	mu        sync.Mutex
	hard      HardState
	confState ConfState
	snapshot  Snapshot
	// log[0] stands for the last compacted entry; its data is gone. Nothing outside shares this array: what
	// Entries returns is a copy, so that the log may grow and be overwritten in place.
	log []Entry
}

// NewMemoryStorage returns the storage that the first members of a group start with: its log is
// compacted up to index 1, which has the membership. Without voters it is the empty storage of a node
// that joins later.
func NewMemoryStorage(members ConfState) *MemoryStorage {
	if len(members.Voters) == 0 {
		return &MemoryStorage{log: make([]Entry, 1)}
	}
	return &MemoryStorage{
		hard:      HardState{Term: 1, Commit: 1},
		confState: members.Clone(),
		snapshot:  Snapshot{Term: 1, Index: 1, ConfState: members.Clone()},
		log:       []Entry{{Term: 1, Index: 1}},
	}
}

// InitialState is a method of Storage.
func (m *MemoryStorage) InitialState() (HardState, ConfState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.hard, m.confState.Clone(), nil
}

// Entries is a method of Storage. It costs as much as what it returns.
func (m *MemoryStorage) Entries(low, high, maxBytes uint64) ([]Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	offset := m.log[0].Index
	switch {
	case low <= offset:
		return nil, ErrCompacted
	case high > m.last()+1:
		return nil, ErrUnavailable
	}
	return slices.Clone(fitting(m.log[low-offset:high-offset], maxBytes)), nil
}

// minEntryBytes is what an entry without data takes at least when it is encoded.
const minEntryBytes = 4

// fitting returns the first entries: at least one, and at least those of an encoded size of maxBytes.
func fitting(entries []Entry, maxBytes uint64) []Entry {
	size := uint64(0)
	for i := range entries {
		if size > maxBytes {
			return entries[:i]
		}
		size += minEntryBytes + uint64(len(entries[i].Data))
	}
	return entries
}

// Term is a method of Storage.
func (m *MemoryStorage) Term(index uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	offset := m.log[0].Index
	switch {
	case index < offset:
		return 0, ErrCompacted
	case index > m.last():
		return 0, ErrUnavailable
	}
	return m.log[index-offset].Term, nil
}

// FirstIndex is a method of Storage.
func (m *MemoryStorage) FirstIndex() (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.log[0].Index + 1, nil
}

// LastIndex is a method of Storage.
func (m *MemoryStorage) LastIndex() (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last(), nil
}

// Snapshot is a method of Storage: the last snapshot that was made or installed.
func (m *MemoryStorage) Snapshot() (Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.snapshot.Index == 0 {
		return Snapshot{}, ErrSnapshotUnavailable
	}
	return m.snapshot, nil
}

// Store stores what a Ready wants stored, at once. It costs as much as what is stored, however long the
// log is. Entries that ReadyInto lent are copied.
func (m *MemoryStorage) Store(ready *Ready) error {
	entries := ready.Entries
	if ready.borrowed {
		entries = copied(entries)
	}
	return m.Persist(Persist{Snapshot: ready.Snapshot, Entries: entries, HardState: ready.HardState})
}

// copied copies entries; their payloads share one block.
func copied(entries []Entry) []Entry {
	total := 0
	for i := range entries {
		total += len(entries[i].Data)
	}
	block := make([]byte, 0, total)
	list := append([]Entry(nil), entries...)
	for i := range list {
		list[i].Data, block = moved(list[i].Data, block)
	}
	return list
}

// Persist stores what a plan of Recover or a check wants stored, as Store: all of it, or nothing on an error.
func (m *MemoryStorage) Persist(what Persist) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.refuses(what); err != nil {
		return err
	}
	if what.covers {
		m.snapshot = *what.Snapshot
		m.confState = m.snapshot.ConfState.Clone()
	} else if m.isNew(what.Snapshot) {
		m.snapshot = *what.Snapshot
		m.confState = m.snapshot.ConfState.Clone()
		m.log = []Entry{{Term: m.snapshot.Term, Index: m.snapshot.Index}}
	}
	if entries := what.Entries; len(entries) > 0 {
		offset, first := m.log[0].Index, entries[0].Index
		clear(m.log[first-offset:]) // what is replaced does not keep its data
		m.log = append(m.log[:first-offset], entries...)
	}
	if what.HardState != nil {
		m.hard = *what.HardState
	}
	return nil
}

// isNew says whether a snapshot has to be installed. The one that is there already, of a Ready that was given back,
// changes nothing.
func (m *MemoryStorage) isNew(s *Snapshot) bool {
	return s != nil && (s.Term != m.snapshot.Term || s.Index != m.snapshot.Index)
}

// refuses says why something cannot be stored.
func (m *MemoryStorage) refuses(what Persist) error {
	offset, last := m.log[0].Index, m.last()
	if s := what.Snapshot; !what.covers && m.isNew(s) {
		if s.Index <= m.snapshot.Index {
			return fmt.Errorf("raftcore: snapshot %d is not newer than %d", s.Index, m.snapshot.Index)
		}
		offset, last = s.Index, s.Index
	}
	if len(what.Entries) == 0 {
		return nil
	}
	if first := what.Entries[0].Index; first <= offset || first > last+1 {
		return fmt.Errorf("raftcore: entry %d does not fit a log of %d to %d", first, offset+1, last)
	}
	return nil
}

// SetHardState replaces the hard state.
func (m *MemoryStorage) SetHardState(state HardState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hard = state
}

// SetConfState stores the membership that ApplyConfChange returned.
func (m *MemoryStorage) SetConfState(state ConfState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.confState = state.Clone()
}

// MakeSnapshot makes a snapshot of the state machine as it is after entry index, the last one that it
// has applied.
func (m *MemoryStorage) MakeSnapshot(index uint64, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	offset := m.log[0].Index
	if index <= m.snapshot.Index || index < offset || index > m.last() {
		return fmt.Errorf("raftcore: no snapshot can be made at %d", index)
	}
	m.snapshot = Snapshot{
		Term:      m.log[index-offset].Term,
		Index:     index,
		ConfState: m.confState.Clone(),
		Data:      data,
	}
	return nil
}

// Compact forgets the entries up to and including index, which the last snapshot must cover. It costs as
// much as what is forgotten.
func (m *MemoryStorage) Compact(index uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	offset := m.log[0].Index
	if index <= offset {
		return ErrCompacted
	}
	if index > m.snapshot.Index {
		return fmt.Errorf("raftcore: no snapshot covers %d", index)
	}
	gone, kept := m.log[:index-offset], m.log[index-offset:]
	if len(kept) < len(gone) {
		kept = slices.Clone(kept) // frees the array
	} else {
		clear(gone) // the array goes when the log outgrows it
	}
	kept[0].Data = nil
	m.log = kept
	return nil
}

func (m *MemoryStorage) last() uint64 {
	return m.log[0].Index + uint64(len(m.log)) - 1
}

// moved copies bytes to the end of a block that has room for them.
func moved(bytes, block []byte) (copied, rest []byte) {
	if len(bytes) == 0 {
		return nil, block
	}
	start := len(block)
	block = append(block, bytes...)
	return block[start:len(block):len(block)], block
}
