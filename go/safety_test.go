// SPDX-License-Identifier: Apache-2.0

package raftcore

import (
	"bytes"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// calling is a storage that calls its node.
type calling struct {
	*MemoryStorage
	call func() error
	got  error
}

func (c *calling) FirstIndex() (uint64, error) {
	if c.call != nil {
		c.got = c.call()
	}
	return c.MemoryStorage.FirstIndex()
}

func TestAStorageThatCallsItsNodeGetsAnError(t *testing.T) {
	storage := &calling{MemoryStorage: NewMemoryStorage(ConfState{Voters: []uint64{1}})}
	node, err := New(DefaultConfig(1), storage)
	must(t, err)
	defer node.Close()
	// A refused call is logged: no call may be declared to reach no callback if it reaches this one.
	refused := 0
	must(t, node.SetObserver(Observer{Logger: slog.New(slog.NewTextHandler(writer(func() { refused++ }),
		&slog.HandlerOptions{Level: slog.LevelDebug}))}))
	calls := map[string]func() error{
		"Hard":     func() error { return second(node.HardState()) },
		"Soft":     func() error { return second(node.SoftState()) },
		"Basic":    func() error { return second(node.BasicStatus()) },
		"Config":   func() error { return second(node.Config()) },
		"Check":    node.CheckInvariants,
		"Storage":  node.TakeStorageError,
		"Outcome":  func() error { return second(node.TakeTransferOutcome()) },
		"Entry":    func() error { return second(node.ProposeEntry(EntryNormal, nil)) },
		"Transfer": func() error { return node.TransferLeader(1) },
		"Forget":   node.ForgetLeader,
		"Report":   func() error { return node.ReportUnreachable(2) },
		"Tick":     node.Tick,
		"TickN":    func() error { return node.TickN(2) },
		"Step":     func() error { return node.Step(heartbeat(t)) },
		"Propose":  func() error { return second(node.Propose([]byte("x"))) },
		"Batch":    func() error { return second(node.ProposeBatch([][]byte{nil})) },
		"Steps":    func() error { return node.StepBatch([][]byte{heartbeat(t)}, nil) },
		"Ready":    func() error { return second(node.Ready()) },
		"Into":     func() error { return second(node.ReadyInto(&Ready{})) },
		"Status":   func() error { return second(node.Status()) },
		"JSON":     func() error { return second(node.StatusJSON()) },
		"Progress": func() error { return second(node.Progress()) },
		"Members":  func() error { return second(node.ConfState()) },
		"Observer": func() error { return node.SetObserver(Observer{Trace: func([]byte) {}}) },
		"Campaign": node.Campaign,
		"Read":     func() error { return node.ReadIndex([]byte("r")) },
	}
	for name, call := range calls {
		storage.call, storage.got = call, nil
		_, err := node.Status()
		must(t, err)
		if !errors.Is(storage.got, ErrReentrant) {
			t.Errorf("%s answered %v", name, storage.got)
		}
	}
	// Another goroutine's call waits for its turn.
	var wait sync.WaitGroup
	storage.call = func() error {
		wait.Add(1)
		go func() {
			defer wait.Done()
			if err := node.Tick(); err != nil {
				t.Error(err)
			}
		}()
		return nil
	}
	_, err = node.Status()
	must(t, err)
	wait.Wait()
	// Closed by its storage, the node lives until the call that asked the storage returns.
	storage.call = node.Close
	_, err = node.Status()
	must(t, err)
	if err := node.Tick(); !errors.Is(err, ErrClosed) {
		t.Errorf("closed in a callback, then: %v", err)
	}
}

// writer counts what is written.
type writer func()

func (w writer) Write(data []byte) (int, error) {
	w()
	return len(data), nil
}

func heartbeat(t testing.TB) []byte {
	t.Helper()
	bytes, err := MessageFields{Type: MessageHeartbeat, From: 2, To: 1, Term: 1}.Encode()
	must(t, err)
	return bytes
}

func TestAForgottenNodeIsClosedAndLogged(t *testing.T) {
	var text lockedBuffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&text, nil)))
	defer slog.SetDefault(before)
	func() {
		_, err := New(DefaultConfig(77), NewMemoryStorage(ConfState{Voters: []uint64{77}}))
		must(t, err)
	}()
	for i := 0; i < 1000 && !strings.Contains(text.String(), "not closed"); i++ {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if !strings.Contains(text.String(), "node=77") {
		t.Errorf("the log is %q", text.String())
	}
}

type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(data)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// panicking is a storage whose every method panics once it is armed.
type panicking struct {
	*MemoryStorage
	armed bool
}

func (p *panicking) LastIndex() (uint64, error)  { p.check(); return p.MemoryStorage.LastIndex() }
func (p *panicking) FirstIndex() (uint64, error) { p.check(); return p.MemoryStorage.FirstIndex() }
func (p *panicking) Term(index uint64) (uint64, error) {
	p.check()
	return p.MemoryStorage.Term(index)
}
func (p *panicking) InitialState() (HardState, ConfState, error) {
	p.check()
	return p.MemoryStorage.InitialState()
}
func (p *panicking) check() {
	if p.armed {
		panic("out of order")
	}
}

func TestPanicsBecomeErrors(t *testing.T) {
	storage := &panicking{MemoryStorage: NewMemoryStorage(ConfState{Voters: []uint64{1}}), armed: true}
	for name, err := range map[string]error{
		"New":      second(New(DefaultConfig(1), storage)),
		"Position": second(RecoveryPosition(storage, 1)),
	} {
		if !errors.Is(err, ErrStorage) || !strings.Contains(err.Error(), "out of order") {
			t.Errorf("%s answered %v", name, err)
		}
	}
}

// Calls of many goroutines while the node is closed: each one is carried out, or gets ErrClosed.
func TestClosingWhileOthersCall(t *testing.T) {
	for range 20 {
		node, err := NewInMemory(DefaultConfig(1), ConfState{Voters: []uint64{1}})
		must(t, err)
		var wait sync.WaitGroup
		for range 4 {
			wait.Add(1)
			go func() {
				defer wait.Done()
				for {
					if err := node.Tick(); err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Error(err)
						}
						return
					}
					node.HasReady()
				}
			}()
		}
		runtime.Gosched()
		must(t, node.Close())
		must(t, node.Close())
		wait.Wait()
	}
}
