// SPDX-License-Identifier: Apache-2.0

package raftcore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// checkedFile is a FileStorage for CheckStorage.
type checkedFile struct {
	dir     string
	storage *FileStorage
	failing bool
}

func (c *checkedFile) Storage() Storage {
	if c.failing {
		return failing{}
	}
	return c.storage
}

func (c *checkedFile) Reset() (err error) {
	c.failing = false
	if c.storage != nil {
		_ = c.storage.Close()
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return err
	}
	c.storage, err = OpenFileStorage(c.dir, ConfState{})
	return err
}

func (c *checkedFile) Persist(what Persist) error {
	if c.failing {
		return errFailing
	}
	return c.storage.Persist(what)
}

func (c *checkedFile) Compact(index uint64) error {
	if c.failing {
		return errFailing
	}
	if index > c.storage.memory.snapshot.Index {
		if err := c.storage.MakeSnapshot(index, c.storage.memory.confState, []byte("made")); err != nil {
			return err
		}
	}
	return c.storage.Compact(index)
}

func (c *checkedFile) Reopen(crashed bool) (err error) {
	_ = c.storage.Close()
	if crashed {
		// What a write that was cut off leaves behind.
		name := filepath.Join(c.dir, logName)
		file, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		frame, err := appendFrame(nil, Persist{Entries: []Entry{{Term: 1, Index: 1, Data: []byte("lost")}}})
		if err != nil {
			return err
		}
		if _, err := file.Write(frame[:len(frame)-1]); err != nil {
			return err
		}
		_ = file.Close()
	}
	c.storage, err = OpenFileStorage(c.dir, ConfState{})
	return err
}

func (c *checkedFile) SetFailing(failing bool) error {
	c.failing = failing
	return nil
}

func TestTheFileStorageKeepsTheContract(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	storage, err := OpenFileStorage(dir, ConfState{})
	must(t, err)
	check := &checkedFile{dir: dir, storage: storage}
	findings, err := CheckStorage(check)
	defer func() { _ = check.storage.Close() }()
	for _, f := range findings {
		if f.Outcome == RuleBroken {
			t.Errorf("%s (%s): expected %s, got %s", f.Rule, f.Demand, f.Expected, f.Got)
		}
	}
	must(t, err)
}

func TestTheFileStorageTellsATornTailFromDamage(t *testing.T) {
	dir := t.TempDir()
	storage, err := OpenFileStorage(dir, ConfState{Voters: []uint64{1}})
	must(t, err)
	for i := uint64(2); i < 5; i++ {
		must(t, storage.Persist(Persist{
			Entries:   []Entry{{Term: 1, Index: i, Data: []byte(fmt.Sprint("entry ", i))}},
			HardState: &HardState{Term: 1, Commit: i}, MustSync: true,
		}))
	}
	if _, err := OpenFileStorage(dir, ConfState{}); !errors.Is(err, ErrInUse) {
		t.Errorf("opened twice: %v", err)
	}
	must(t, storage.Close())
	must(t, storage.Close())
	if err := storage.Persist(Persist{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("stored after Close: %v", err)
	}
	name := filepath.Join(dir, logName)
	whole, err := os.ReadFile(name)
	must(t, err)
	frame, err := appendFrame(nil, Persist{Entries: []Entry{{Term: 1, Index: 4, Data: []byte("entry 4")}},
		HardState: &HardState{Term: 1, Commit: 4}})
	must(t, err)
	for cut := len(whole) - 1; cut > len(whole)-len(frame); cut-- {
		must(t, os.WriteFile(name, whole[:cut], 0o644))
		storage, err := OpenFileStorage(dir, ConfState{})
		must(t, err)
		last, _ := storage.LastIndex()
		must(t, storage.Close())
		if last != 3 {
			t.Fatalf("cut at %d of %d, the last entry is %d", cut, len(whole), last)
		}
	}
	for at := range whole {
		damaged := append([]byte(nil), whole...)
		damaged[at] ^= 0x10
		must(t, os.WriteFile(name, damaged, 0o644))
		if storage, err := OpenFileStorage(dir, ConfState{}); !errors.Is(err, ErrDamaged) {
			t.Errorf("byte %d of %d is another one: %v", at, len(whole), err)
			_ = storage.Close()
		}
	}
}

func TestANodeGoesOnFromItsFile(t *testing.T) {
	dir := t.TempDir()
	for round := range 3 {
		storage, err := OpenFileStorage(dir, ConfState{Voters: []uint64{1}})
		must(t, err)
		snapshot, err := storage.Snapshot()
		must(t, err)
		config := DefaultConfig(1)
		config.Applied = snapshot.Index
		node, err := New(config, storage)
		must(t, err)
		must(t, node.Campaign())
		applied := []string{string(snapshot.Data)}
		index := snapshot.Index
		turn := func() {
			ready := &Ready{}
			for more, err := node.ReadyInto(ready); more || err != nil; more, err = node.AdvanceInto(ready) {
				must(t, err)
				must(t, storage.Store(ready))
				for _, entry := range ready.CommittedEntries {
					index = entry.Index
					if len(entry.Data) > 0 {
						applied = append(applied, string(entry.Data))
					}
				}
			}
		}
		turn()
		_, err = node.Propose([]byte(fmt.Sprint(round)))
		must(t, err)
		turn()
		want := [][]string{{"", "0"}, {"", "0", "1"}, {"01", "2"}}[round]
		if fmt.Sprint(applied) != fmt.Sprint(want) {
			t.Errorf("round %d applied %q", round, applied)
		}
		if round == 1 {
			must(t, storage.MakeSnapshot(index, ConfState{Voters: []uint64{1}}, []byte("01")))
			must(t, storage.Compact(index-1))
			must(t, storage.Compact(index))
		}
		must(t, node.Close())
		must(t, storage.Close())
	}
}
