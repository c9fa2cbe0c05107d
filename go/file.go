// SPDX-License-Identifier: Apache-2.0

//go:build cgo && unix

package raftcore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// ErrDamaged is what OpenFileStorage returns if the file holds something that was never written: the disk has lost
// or changed data that was acknowledged. Do not start the node.
var ErrDamaged = errors.New("raftcore: the log file is damaged")

// ErrInUse is what OpenFileStorage returns if another process, or this one, has the directory open.
var ErrInUse = errors.New("raftcore: the directory is in use")

// FileStorage is a small durable [Storage]: one file in a directory of its own, all of which is in memory, too. It is
// for hosts whose state machine is in memory: that begins with the data of Snapshot, and Config.Applied with its index.
//
// Each Store is one frame with checksums. A frame that a crash has cut off is dropped; anything else that is not as it
// was written is [ErrDamaged], also a last frame of the right length that a file system has written in part only. After a
// failed write nothing more is stored. It may be used by several goroutines.
type FileStorage struct {
	// memory has what the file has. Not embedded: what its setters change would not be in the file.
	memory *MemoryStorage
	write  sync.Mutex
	dir    string
	lock   *os.File
	file   *os.File
	buffer []byte
	// broken is the failure after which nobody knows what the file holds.
	broken error
}

const logName = "raft.log"

// OpenFileStorage opens the storage in a directory, which is made if it is not there (its parents are not). In an empty one it begins with
// the members as NewMemoryStorage does; otherwise these are not looked at.
func OpenFileStorage(dir string, members ConfState) (*FileStorage, error) {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("%w: %s: %w", ErrInUse, dir, err)
	}
	f := &FileStorage{dir: dir, lock: lock}
	if err := f.open(members); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func (f *FileStorage) open(members ConfState) error {
	file, err := os.OpenFile(filepath.Join(f.dir, logName), os.O_RDWR, 0o644)
	if errors.Is(err, os.ErrNotExist) {
		f.memory = NewMemoryStorage(members)
		if err := f.rewrite(); err != nil {
			return err
		}
		return syncDirectory(filepath.Dir(f.dir)) // it may have got this directory just now
	}
	if err != nil {
		return err
	}
	f.file, f.memory = file, NewMemoryStorage(ConfState{})
	bytes, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	good, err := f.replay(bytes)
	if err != nil {
		return err
	}
	if good == len(bytes) {
		return nil
	}
	if err := file.Truncate(int64(good)); err != nil {
		return err
	}
	if _, err := file.Seek(int64(good), io.SeekStart); err != nil {
		return err
	}
	return file.Sync()
}

// A frame: the length of what follows the header, the length's checksum, the checksum of what follows.
const headerBytes = 12

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// replay stores what the frames hold; how many bytes of them are whole.
func (f *FileStorage) replay(bytes []byte) (int, error) {
	good := 0
	for rest := bytes; len(rest) > 0; rest = bytes[good:] {
		if len(rest) < headerBytes || isZero(rest) {
			break // cut off, or room that was never written
		}
		length := binary.LittleEndian.Uint32(rest)
		if crc32.Checksum(rest[:4], castagnoli) != binary.LittleEndian.Uint32(rest[4:]) {
			return 0, fmt.Errorf("%w: at byte %d", ErrDamaged, good)
		}
		if uint64(len(rest)-headerBytes) < uint64(length) {
			break
		}
		body := rest[headerBytes : headerBytes+int(length)]
		if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(rest[8:]) {
			return 0, fmt.Errorf("%w: at byte %d", ErrDamaged, good)
		}
		what, err := decodePersist(body)
		if err == nil {
			err = f.memory.Persist(what)
		}
		if err != nil {
			return 0, fmt.Errorf("%w: at byte %d: %w", ErrDamaged, good, err)
		}
		good += headerBytes + int(length)
	}
	if good == 0 {
		return 0, fmt.Errorf("%w: it has no beginning", ErrDamaged) // that is written before the file gets its name
	}
	return good, nil
}

func isZero(bytes []byte) bool {
	for _, b := range bytes {
		if b != 0 {
			return false
		}
	}
	return true
}

// InitialState is a method of Storage: the membership is that of the snapshot.
func (f *FileStorage) InitialState() (HardState, ConfState, error) { return f.memory.InitialState() }

// Entries is a method of Storage.
func (f *FileStorage) Entries(low, high, maxBytes uint64) ([]Entry, error) {
	return f.memory.Entries(low, high, maxBytes)
}

// Term is a method of Storage.
func (f *FileStorage) Term(index uint64) (uint64, error) { return f.memory.Term(index) }

// FirstIndex is a method of Storage.
func (f *FileStorage) FirstIndex() (uint64, error) { return f.memory.FirstIndex() }

// LastIndex is a method of Storage.
func (f *FileStorage) LastIndex() (uint64, error) { return f.memory.LastIndex() }

// Snapshot is a method of Storage: the last snapshot that was made or installed.
func (f *FileStorage) Snapshot() (Snapshot, error) { return f.memory.Snapshot() }

// Store stores what a Ready wants stored, durably if it says so.
func (f *FileStorage) Store(ready *Ready) error {
	entries := ready.Entries
	if ready.borrowed {
		entries = copied(entries)
	}
	return f.Persist(Persist{Snapshot: ready.Snapshot, Entries: entries, HardState: ready.HardState, MustSync: ready.MustSync})
}

// Persist stores what a plan of Recover or a check wants stored, as Store.
func (f *FileStorage) Persist(what Persist) error {
	f.write.Lock()
	defer f.write.Unlock()
	if f.broken != nil {
		return f.broken
	}
	f.memory.mu.Lock()
	err := f.memory.refuses(what)
	f.memory.mu.Unlock()
	if err != nil {
		return err
	}
	if f.buffer, err = appendFrame(f.buffer[:0], what); err != nil {
		return err
	}
	if _, err = f.file.Write(f.buffer); err == nil && what.MustSync {
		err = f.file.Sync()
	}
	if err != nil {
		f.broken = fmt.Errorf("raftcore: the log file cannot be written: %w", err)
		return f.broken
	}
	return f.memory.Persist(what)
}

// MakeSnapshot makes a snapshot of the state machine as it is after entry index, with the membership there, and stores
// it.
func (f *FileStorage) MakeSnapshot(index uint64, members ConfState, data []byte) error {
	return f.change(func() error {
		f.memory.SetConfState(members)
		return f.memory.MakeSnapshot(index, data)
	})
}

// Compact forgets the entries up to and including index, which the last snapshot must cover.
func (f *FileStorage) Compact(index uint64) error {
	return f.change(func() error { return f.memory.Compact(index) })
}

// change carries out a change of what is in memory, and writes all of it anew.
func (f *FileStorage) change(function func() error) error {
	f.write.Lock()
	defer f.write.Unlock()
	if f.broken != nil {
		return f.broken
	}
	if err := function(); err != nil {
		return err
	}
	if err := f.rewrite(); err != nil {
		f.broken = fmt.Errorf("raftcore: the log file cannot be written: %w", err)
	}
	return f.broken
}

// rewrite writes all that is in memory into a new file, which takes the old one's place.
func (f *FileStorage) rewrite() error {
	name := filepath.Join(f.dir, logName)
	file, err := os.Create(name + ".new")
	if err != nil {
		return err
	}
	f.memory.mu.Lock()
	bytes, err := appendWhole(nil, f.memory)
	f.memory.mu.Unlock()
	if err == nil {
		_, err = file.Write(bytes)
	}
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err == nil {
		err = syncDirectory(f.dir)
	}
	if err != nil {
		_ = file.Close()
		return err
	}
	if f.file != nil {
		_ = f.file.Close()
	}
	f.file = file
	return nil
}

// appendWhole appends the frames of a whole storage. The log may begin before the snapshot does: then its beginning is
// that of an older one, without data.
func appendWhole(bytes []byte, m *MemoryStorage) ([]byte, error) {
	first := m.log[0]
	start := Persist{HardState: &m.hard}
	if first.Index > 0 {
		start.Snapshot = &Snapshot{Term: first.Term, Index: first.Index, ConfState: m.snapshot.ConfState}
		if m.snapshot.Index == first.Index {
			start.Snapshot = &m.snapshot
		}
	}
	start.Entries = m.log[1:]
	bytes, err := appendFrame(bytes, start)
	if err == nil && m.snapshot.Index > first.Index {
		bytes, err = appendFrame(bytes, Persist{Snapshot: &m.snapshot, MustSync: true, covers: true})
	}
	return bytes, err
}

func syncDirectory(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Sync()
}

// Close closes the file. Nothing can be stored any more.
func (f *FileStorage) Close() error {
	f.write.Lock()
	defer f.write.Unlock()
	if f.lock == nil {
		return nil
	}
	if f.broken == nil {
		f.broken = os.ErrClosed
	}
	if f.file != nil {
		_ = f.file.Close()
	}
	err := f.lock.Close()
	f.lock = nil
	return err
}

// What a frame holds: records of a letter and numbers.
const (
	recordSnapshot = 's' // its encoding: replaces the log
	recordCovered  = 'c' // its encoding: of a log that is there
	recordEntry    = 'e'
	recordState    = 'h'
)

func appendFrame(bytes []byte, what Persist) ([]byte, error) {
	start := len(bytes)
	bytes = append(bytes, make([]byte, headerBytes)...)
	if what.Snapshot != nil {
		encoded, err := what.Snapshot.Encode()
		if err != nil {
			return nil, err
		}
		kind := byte(recordSnapshot)
		if what.covers {
			kind = recordCovered
		}
		bytes = binary.AppendUvarint(append(bytes, kind), uint64(len(encoded)))
		bytes = append(bytes, encoded...)
	}
	for i := range what.Entries {
		e := &what.Entries[i]
		bytes = append(bytes, recordEntry)
		for _, number := range [...]uint64{e.Term, e.Index, uint64(e.Kind), uint64(e.Flags), uint64(len(e.Data))} {
			bytes = binary.AppendUvarint(bytes, number)
		}
		bytes = append(bytes, e.Data...)
	}
	if hard := what.HardState; hard != nil {
		bytes = append(bytes, recordState)
		for _, number := range [...]uint64{hard.Term, hard.Vote, hard.Commit} {
			bytes = binary.AppendUvarint(bytes, number)
		}
	}
	body := bytes[start+headerBytes:]
	if uint64(len(body)) > 1<<32-1 {
		return nil, errors.New("raftcore: a frame has at most 4 GiB")
	}
	binary.LittleEndian.PutUint32(bytes[start:], uint32(len(body)))
	binary.LittleEndian.PutUint32(bytes[start+4:], crc32.Checksum(bytes[start:start+4], castagnoli))
	binary.LittleEndian.PutUint32(bytes[start+8:], crc32.Checksum(body, castagnoli))
	return bytes, nil
}

func decodePersist(body []byte) (what Persist, err error) {
	number := func() uint64 {
		value, n := binary.Uvarint(body)
		if n <= 0 {
			err, body = errors.New("a number is cut off"), nil
			return 0
		}
		body = body[n:]
		return value
	}
	take := func() []byte {
		length := number()
		if length > uint64(len(body)) {
			err = errors.New("a record is cut off")
			return nil
		}
		bytes := body[:length:length]
		body = body[length:]
		return bytes
	}
	for len(body) > 0 && err == nil {
		kind := body[0]
		body = body[1:]
		switch kind {
		case recordSnapshot, recordCovered:
			bytes := take()
			if err == nil {
				what.Snapshot, err = DecodeSnapshot(bytes)
			}
			what.covers = kind == recordCovered
		case recordEntry:
			entry := Entry{Term: number(), Index: number(), Kind: EntryKind(number()), Flags: uint32(number())}
			entry.Data = take()
			what.Entries = append(what.Entries, entry)
		case recordState:
			what.HardState = &HardState{Term: number(), Vote: number(), Commit: number()}
		default:
			err = fmt.Errorf("a record is of kind %d", kind)
		}
	}
	return what, err
}
