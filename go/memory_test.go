// SPDX-License-Identifier: Apache-2.0

package raftcore

import (
	"runtime"
	"slices"
	"testing"
)

// logOf returns a storage with so many entries of a byte each behind index 1.
func logOf(t *testing.T, count uint64) *MemoryStorage {
	t.Helper()
	storage := NewMemoryStorage(ConfState{Voters: []uint64{1}})
	entries := make([]Entry, count)
	for i := range entries {
		entries[i] = Entry{Term: 1, Index: uint64(i) + 2, Data: []byte{byte(i)}}
	}
	must(t, storage.Store(&Ready{Entries: entries}))
	return storage
}

// allocated returns the bytes that work allocates.
func allocated(work func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

const (
	shortLog = 1 << 10
	longLog  = 1 << 17
	// noise is what the runtime itself may allocate meanwhile. A copy of the long log takes 7 MiB.
	noise = 1 << 20
)

// costsNoMore checks that work costs a long log what it costs a short one.
func costsNoMore(t *testing.T, work func(*MemoryStorage)) {
	t.Helper()
	short, long := logOf(t, shortLog), logOf(t, longLog)
	// Room, so that the array grows in neither.
	short.log, long.log = slices.Grow(short.log, 1<<12), slices.Grow(long.log, 1<<12)
	cheap, dear := allocated(func() { work(short) }), allocated(func() { work(long) })
	if dear > cheap+noise {
		t.Errorf("%d bytes are allocated with a log of %d entries, %d with one of %d", cheap, shortLog, dear, longLog)
	}
}

func TestStoringCostsWhatIsStoredHoweverLongTheLogIs(t *testing.T) {
	costsNoMore(t, func(storage *MemoryStorage) {
		for range 1000 {
			last, _ := storage.LastIndex()
			must(t, storage.Store(&Ready{Entries: []Entry{{Term: 1, Index: last + 1}}}))
		}
	})
}

func TestGrowingALogCopiesAnEntryAFewTimesAtMost(t *testing.T) {
	const count, entryBytes = 1 << 15, 64
	storage := logOf(t, 0)
	used := allocated(func() {
		for index := uint64(2); index < count; index++ {
			must(t, storage.Store(&Ready{Entries: []Entry{{Term: 1, Index: index}}}))
		}
	})
	if used > 16*count*entryBytes {
		t.Errorf("%d entries, stored one by one, took %d bytes", count, used)
	}
}

func TestReplacingATailCostsWhatIsReplaced(t *testing.T) {
	costsNoMore(t, func(storage *MemoryStorage) {
		last, _ := storage.LastIndex()
		for term := uint64(2); term < 200; term++ {
			must(t, storage.Store(&Ready{Entries: []Entry{{Term: term, Index: last}}}))
		}
	})
}

func TestReadingCostsWhatFitsHoweverMuchIsAskedFor(t *testing.T) {
	costsNoMore(t, func(storage *MemoryStorage) {
		last, _ := storage.LastIndex()
		for range 20 {
			entries, err := storage.Entries(2, last+1, 100)
			must(t, err)
			if len(entries) < 100/16 || len(entries) > 100 {
				t.Fatalf("%d entries for 100 bytes", len(entries))
			}
		}
	})
}

func TestCompactingCostsWhatIsForgotten(t *testing.T) {
	costsNoMore(t, func(storage *MemoryStorage) {
		for index := uint64(2); index < 100; index++ {
			must(t, storage.MakeSnapshot(index, nil))
			must(t, storage.Compact(index))
		}
	})
}

func TestOneEntryIsReadHoweverLittleMayBeRead(t *testing.T) {
	storage := logOf(t, 3)
	entries, err := storage.Entries(2, 5, 0)
	must(t, err)
	if len(entries) != 1 || entries[0].Index != 2 {
		t.Errorf("read %v", entries)
	}
}

func TestWhatWasReadDoesNotChangeWhenTheLogDoes(t *testing.T) {
	storage := logOf(t, 8)
	read, err := storage.Entries(2, 10, NoLimit)
	must(t, err)
	kept := slices.Clone(read)
	must(t, storage.Store(&Ready{Entries: []Entry{{Term: 2, Index: 4, Data: []byte("other")}}}))
	must(t, storage.MakeSnapshot(3, nil))
	must(t, storage.Compact(3))
	for i := range read {
		if read[i].Term != kept[i].Term || string(read[i].Data) != string(kept[i].Data) {
			t.Errorf("entry %d was %v and is %v", i, kept[i], read[i])
		}
	}
	last, _ := storage.LastIndex()
	entries, err := storage.Entries(4, last+1, NoLimit)
	must(t, err)
	if last != 4 || string(entries[0].Data) != "other" {
		t.Errorf("the log ends at %d with %v", last, entries)
	}
}
