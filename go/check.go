// SPDX-License-Identifier: Apache-2.0

package raftcore

// #include "bridge.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/cgo"
)

// CheckedStorage is a host's storage with all that CheckStorage needs to try it.
type CheckedStorage interface {
	// Storage is how a node would read it, after the last Reset or Reopen.
	Storage() Storage
	// Reset starts over with a storage in which nothing was ever stored: an empty one or, for hosts that have no such
	// thing, that of a group's first member.
	Reset() error
	// Persist stores what a Ready wants stored. The membership of a snapshot is stored with it.
	Persist(what Persist) error
	// Compact forgets the log up to and including index, as the host does when it has made a snapshot there.
	Compact(index uint64) error
}

// ReopenableStorage is a CheckedStorage that survives its process.
type ReopenableStorage interface {
	CheckedStorage
	// Reopen closes the storage and opens it again; after a crash, what was not synced may be gone. ErrUnavailable if
	// there is no such way.
	Reopen(crashed bool) error
}

// FailingStorage is a CheckedStorage that can be made to fail.
type FailingStorage interface {
	CheckedStorage
	// SetFailing: from now on, until called with false, nothing can be read or written.
	SetFailing(failing bool) error
}

// RuleOutcome is what CheckStorage found of a rule.
type RuleOutcome int32

// The outcomes.
const (
	RuleKept       RuleOutcome = C.RAFT_RULE_KEPT
	RuleBroken     RuleOutcome = C.RAFT_RULE_BROKEN
	RuleNotChecked RuleOutcome = C.RAFT_RULE_NOT_CHECKED
)

// StorageFinding is what CheckStorage found of one rule.
type StorageFinding struct {
	// Rule is the rule's name, Demand what it demands.
	Rule, Demand string
	Outcome      RuleOutcome
	// Expected and Got, of a broken rule: where it was first not met. Got of one that was not checked: why not.
	Expected, Got string
}

// CheckStorage tries a storage against the contract of Storage, before a node relies on it. What it holds is lost.
// The findings come in the order in which to look at them; the error is ErrStorage if a rule is broken.
func CheckStorage(storage CheckedStorage) ([]StorageFinding, error) {
	// The detail of an error without a node is kept by the thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	check := &storageCheck{storage: storage, calls: &storageCalls{storage: storage.Storage()}}
	handle, table := cgo.NewHandle(check), cgo.NewHandle(check.calls)
	defer handle.Delete()
	defer table.Delete()
	_, reopens := storage.(ReopenableStorage)
	_, fails := storage.(FailingStorage)
	status := C.raftcore_go_check_storage(C.uintptr_t(handle), C.uintptr_t(table), C.bool(reopens), C.bool(fails))
	return check.findings, failure("CheckStorage", status, nil, nil)
}

type storageCheck struct {
	storage  CheckedStorage
	calls    *storageCalls
	findings []StorageFinding
}

// tried carries out one callback of a check.
func tried(handle C.uintptr_t, call func(*storageCheck) error) (status C.raft_status) {
	check := cgo.Handle(handle).Value().(*storageCheck)
	defer func() {
		if r := recover(); r != nil {
			check.calls.note(fmt.Errorf("the storage panicked: %v", r))
			status = C.RAFT_ERR_IO
		}
	}()
	err := call(check)
	check.calls.storage = check.storage.Storage()
	switch {
	case err == nil:
		return C.RAFT_OK
	case errors.Is(err, ErrUnavailable):
		return C.RAFT_ERR_UNAVAILABLE
	}
	return C.RAFT_ERR_IO
}

//export raftcoreGoCheckReset
func raftcoreGoCheckReset(handle C.uintptr_t) C.raft_status {
	return tried(handle, func(c *storageCheck) error { return c.storage.Reset() })
}

//export raftcoreGoCheckPersist
func raftcoreGoCheckPersist(handle C.uintptr_t, what *C.raft_persist) C.raft_status {
	return tried(handle, func(c *storageCheck) error { return c.storage.Persist(persistOf(what)) })
}

//export raftcoreGoCheckCompact
func raftcoreGoCheckCompact(handle C.uintptr_t, index C.uint64_t) C.raft_status {
	return tried(handle, func(c *storageCheck) error { return c.storage.Compact(uint64(index)) })
}

//export raftcoreGoCheckReopen
func raftcoreGoCheckReopen(handle C.uintptr_t, how C.int32_t) C.raft_status {
	return tried(handle, func(c *storageCheck) error {
		return c.storage.(ReopenableStorage).Reopen(how == C.RAFT_REOPEN_CRASHED)
	})
}

//export raftcoreGoCheckSetFailing
func raftcoreGoCheckSetFailing(handle C.uintptr_t, failing C.bool) C.raft_status {
	return tried(handle, func(c *storageCheck) error { return c.storage.(FailingStorage).SetFailing(bool(failing)) })
}

//export raftcoreGoCheckFound
func raftcoreGoCheckFound(handle C.uintptr_t, finding *C.raft_storage_finding) {
	check := cgo.Handle(handle).Value().(*storageCheck)
	check.findings = append(check.findings, StorageFinding{
		Rule:     C.GoString(finding.rule),
		Demand:   C.GoString(finding.demand),
		Outcome:  RuleOutcome(finding.outcome),
		Expected: C.GoString(finding.expected),
		Got:      C.GoString(finding.got),
	})
}
