// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package raftcore

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// Host is what a Runner needs of a program. Its methods are called by Run's goroutine, one at a time, in the order in
// which a node wants its work done. What they get is lent until they return: clone what is kept. An error ends Run.
type Host interface {
	// Store stores what a Ready wants stored, durably if it says so: that of a storage, such as FileStorage.Store.
	Store(ready *Ready) error
	// Send sends messages. Losing some is allowed: report losses by Node.ReportUnreachable, and what became of a
	// MessageSnapshot by Node.ReportSnapshot.
	Send(messages []Message)
	// ApplySnapshot replaces the state machine.
	ApplySnapshot(snapshot *Snapshot) error
	// Apply applies a committed entry of kind EntryNormal; one without data marks the start of a term. Its proposer, if
	// it waits here, gets the result.
	Apply(entry Entry) (result any, err error)
	// ApplyConfChange learns of the membership that an entry has led to, in the order of the log.
	ApplyConfChange(entry Entry, state ConfState) error
}

// ErrLost is what Propose returns if the proposal lost its place in the log to another one: it has no effect.
var ErrLost = errors.New("raftcore: the proposal was lost")

// ErrUnknownFate is what Propose returns if nobody knows whether the proposal takes effect: the node got a snapshot
// that may have it, or Run has ended.
var ErrUnknownFate = errors.New("raftcore: the fate of the proposal is unknown")

// Runner drives a node: it ticks it, hands its work to the host, and lets proposers and readers wait. Configure the
// node with ForwardProposals = false: a proposal that is passed on has a fate that nobody learns.
type Runner struct {
	node *Node
	host Host
	tick time.Duration
	wake chan struct{}

	mu      sync.Mutex
	waiting map[uint64]proposal
	reads   map[uint64]chan uint64 // by the number in their context; the index that they wait for
	applied uint64
	passed  chan struct{} // closed, and another one made, when applied has grown
	ended   bool
	life    uint64
	number  uint64
}

type proposal struct {
	term   uint64
	answer chan outcome
}

type outcome struct {
	result any
	err    error
}

// NewRunner makes a Runner that ticks the node at an interval. The node has no other driver.
func NewRunner(node *Node, host Host, tick time.Duration) *Runner {
	return &Runner{
		node: node, host: host, tick: tick,
		wake:    make(chan struct{}, 1),
		waiting: map[uint64]proposal{},
		reads:   map[uint64]chan uint64{},
		passed:  make(chan struct{}),
		life:    rand.Uint64(),
	}
}

// Run drives the node until the context ends or something fails, and returns why. A Runner runs once.
func (r *Runner) Run(ctx context.Context) error {
	defer r.end()
	config, err := r.node.Config()
	if err != nil {
		return err
	}
	if config.AsyncStorageWrites || config.LendSnapshots {
		return &Error{Op: "Run", Status: ErrConfig, Detail: "a Runner knows neither AsyncStorageWrites nor LendSnapshots"}
	}
	status, err := r.node.BasicStatus()
	if err != nil {
		return err
	}
	r.advance(status.Applied)
	ticker := time.NewTicker(r.tick)
	defer ticker.Stop()
	ready := &Ready{}
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-ticker.C:
			// A host that was late gives the node the ticks that it missed.
			count := max(1, int64(now.Sub(last)/r.tick))
			last = last.Add(time.Duration(count) * r.tick)
			if err := r.node.TickN(uint32(min(count, 1000))); err != nil && !errors.Is(err, ErrStorage) {
				return err
			}
		case <-r.wake:
		}
		more, err := r.node.ReadyInto(ready)
		for ; more; more, err = r.node.AdvanceInto(ready) {
			if err := r.work(ready); err != nil {
				return err
			}
		}
		if err != nil && !errors.Is(err, ErrStorage) {
			return err
		}
	}
}

// work does what a Ready asks for, in the only right order.
func (r *Runner) work(ready *Ready) error {
	early := 0
	for early < len(ready.Messages) && !ready.Messages[early].RequiresPersistence {
		early++
	}
	if early > 0 {
		r.host.Send(ready.Messages[:early])
	}
	if ready.Snapshot != nil || ready.HardState != nil || len(ready.Entries) > 0 {
		if err := r.host.Store(ready); err != nil {
			return err
		}
	}
	if early < len(ready.Messages) {
		r.host.Send(ready.Messages[early:])
	}
	if ready.Snapshot != nil {
		if err := r.host.ApplySnapshot(ready.Snapshot); err != nil {
			return err
		}
		r.skip(ready.Snapshot.Index)
	}
	for _, entry := range ready.CommittedEntries {
		if err := r.apply(entry); err != nil {
			return err
		}
	}
	r.serve(ready.ReadStates)
	return nil
}

func (r *Runner) apply(entry Entry) error {
	var result any
	if entry.Kind == EntryNormal {
		var err error
		if result, err = r.host.Apply(entry); err != nil {
			return err
		}
	} else {
		state, err := r.node.ApplyConfChange(entry)
		switch {
		case err == nil:
			if err := r.host.ApplyConfChange(entry, state); err != nil {
				return err
			}
			result = state
		case errors.Is(err, ErrConfChange), errors.Is(err, ErrDecode):
			result = err // it changes nothing, here and on every other node
		default:
			return err
		}
	}
	r.mu.Lock()
	if waiting, ok := r.waiting[entry.Index]; ok {
		delete(r.waiting, entry.Index)
		answer := outcome{result: result}
		if waiting.term != entry.Term {
			answer = outcome{err: ErrLost}
		}
		waiting.answer <- answer
	}
	r.mu.Unlock()
	r.advance(entry.Index)
	return nil
}

// skip answers those whose entries are in a snapshot.
func (r *Runner) skip(index uint64) {
	r.mu.Lock()
	for at, waiting := range r.waiting {
		if at <= index {
			delete(r.waiting, at)
			waiting.answer <- outcome{err: ErrUnknownFate}
		}
	}
	r.mu.Unlock()
	r.advance(index)
}

func (r *Runner) advance(applied uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.applied = applied
	close(r.passed)
	r.passed = make(chan struct{})
}

func (r *Runner) serve(states []ReadState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, state := range states {
		if len(state.Context) != 16 || binary.LittleEndian.Uint64(state.Context) != r.life {
			continue
		}
		number := binary.LittleEndian.Uint64(state.Context[8:])
		if waiting, ok := r.reads[number]; ok {
			delete(r.reads, number)
			waiting <- state.Index
		}
	}
}

func (r *Runner) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for _, waiting := range r.waiting {
		waiting.answer <- outcome{err: ErrUnknownFate}
	}
	clear(r.waiting)
	close(r.passed)
}

// Wake has Run look at the node: call it after a call of the node that does not go through the Runner.
func (r *Runner) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Step hands over a message from a peer, as Node.Step.
func (r *Runner) Step(message []byte) error {
	err := r.node.Step(message)
	r.Wake()
	return err
}

// Propose proposes an entry and waits until it is applied here; the result is that of Host.Apply. The error is
// ErrProposalDropped if this node does not lead, ErrLost or ErrUnknownFate as these say; that of the context leaves the
// fate open, too.
func (r *Runner) Propose(ctx context.Context, data []byte) (any, error) {
	return r.propose(ctx, func() (EntryID, error) { return r.node.Propose(data) })
}

// ProposeConfChange proposes a change of the membership, as Propose: the result is the ConfState that it has led to, or
// the error of a change that cannot be carried out.
func (r *Runner) ProposeConfChange(ctx context.Context, change ConfChange) (any, error) {
	return r.propose(ctx, func() (EntryID, error) { return r.node.ProposeConfChange(change) })
}

func (r *Runner) propose(ctx context.Context, function func() (EntryID, error)) (any, error) {
	answer := make(chan outcome, 1)
	// Locked until the place is known: it may be applied before that.
	r.mu.Lock()
	if r.ended {
		r.mu.Unlock()
		return nil, ErrClosed
	}
	placed, err := function()
	if err == nil && placed.Index != 0 {
		if before, ok := r.waiting[placed.Index]; ok { // of an earlier term, whose entry this one replaces
			before.answer <- outcome{err: ErrLost}
		}
		r.waiting[placed.Index] = proposal{term: placed.Term, answer: answer}
	}
	r.mu.Unlock()
	r.Wake()
	switch {
	case err != nil:
		return nil, err
	case placed.Index == 0:
		return nil, ErrUnknownFate // passed on
	}
	select {
	case got := <-answer:
		return got.result, got.err
	case <-ctx.Done():
		r.mu.Lock()
		defer r.mu.Unlock()
		if waiting, ok := r.waiting[placed.Index]; ok && waiting.answer == answer {
			delete(r.waiting, placed.Index)
		}
		return nil, ctx.Err()
	}
}

// Read waits until all that was committed before the call is applied here: a read of the state machine after it is
// linearizable. It asks again after ten ticks without an answer.
func (r *Runner) Read(ctx context.Context) error {
	for {
		index, err := r.readIndex(ctx)
		if err != nil {
			return err
		}
		if index != 0 {
			return r.reached(ctx, index)
		}
	}
}

// readIndex returns the index that a read has to wait for, 0 if there was no answer.
func (r *Runner) readIndex(ctx context.Context) (uint64, error) {
	answer := make(chan uint64, 1)
	r.mu.Lock()
	if r.ended {
		r.mu.Unlock()
		return 0, ErrClosed
	}
	r.number++
	number := r.number
	r.reads[number] = answer
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.reads, number)
		r.mu.Unlock()
	}()
	// A later life of the node uses other contexts: an answer to an earlier one may still arrive.
	context := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, r.life), number)
	if err := r.node.ReadIndex(context); err != nil && !errors.Is(err, ErrNoLeader) {
		return 0, err
	}
	r.Wake()
	timeout := time.NewTimer(10 * r.tick)
	defer timeout.Stop()
	select {
	case index := <-answer:
		return index, nil
	case <-timeout.C:
		return 0, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (r *Runner) reached(ctx context.Context, index uint64) error {
	for {
		r.mu.Lock()
		applied, ended, passed := r.applied, r.ended, r.passed
		r.mu.Unlock()
		switch {
		case applied >= index:
			return nil
		case ended:
			return ErrClosed
		}
		select {
		case <-passed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
