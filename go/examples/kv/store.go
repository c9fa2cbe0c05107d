// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"sync"

	raftcore "raftcore.example/go"
)

// snapshotEntries is how many entries are applied between two snapshots.
const snapshotEntries = 1000

// command is what an entry carries.
type command struct{ Key, Value string }

// store is a node's host: the state machine, and the log in a file.
type store struct {
	*transport
	log     *raftcore.FileStorage
	members raftcore.ConfState
	// applied and covered are the last entries in values, and in the log's snapshot.
	applied, covered uint64

	mu     sync.RWMutex
	values map[string]string
}

// Store stores first what is to be stored. Entries that earlier turns have applied may then go into a snapshot.
func (s *store) Store(ready *raftcore.Ready) error {
	if err := s.log.Store(ready); err != nil {
		return err
	}
	if ready.Snapshot != nil || s.applied < s.covered+snapshotEntries {
		return nil
	}
	s.mu.RLock()
	data, err := json.Marshal(s.values)
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	if err := s.log.MakeSnapshot(s.applied, s.members, data); err != nil {
		return err
	}
	s.covered = s.applied
	return s.log.Compact(s.covered)
}

// ApplySnapshot replaces the state machine.
func (s *store) ApplySnapshot(snapshot *raftcore.Snapshot) error {
	values := map[string]string{}
	if len(snapshot.Data) > 0 {
		if err := json.Unmarshal(snapshot.Data, &values); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values, s.members = values, snapshot.ConfState
	s.applied, s.covered = snapshot.Index, snapshot.Index
	return nil
}

// Apply carries out a command.
func (s *store) Apply(entry raftcore.Entry) (any, error) {
	s.applied = entry.Index
	if len(entry.Data) == 0 {
		return nil, nil // the start of a term
	}
	var c command
	if err := json.Unmarshal(entry.Data, &c); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[c.Key] = c.Value
	return nil, nil
}

// ApplyConfChange keeps the membership for the next snapshot.
func (s *store) ApplyConfChange(entry raftcore.Entry, state raftcore.ConfState) error {
	s.applied, s.members = entry.Index, state
	return nil
}

func (s *store) get(key string) (string, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	value, ok := s.values[key]
	return value, ok
}
