// SPDX-License-Identifier: Apache-2.0

package raftcore

// #include "bridge.h"
import "C"

import (
	"context"
	"log/slog"
	"runtime/cgo"
	"unsafe"
)

// TraceFormat is the form of what Observer.Trace gets.
type TraceFormat int32

// The trace formats.
const (
	// TraceRaftcore: the lines that docs/abi.md lists.
	TraceRaftcore TraceFormat = C.RAFT_TRACE_RAFTCORE
	// TraceEtcd: those of etcd/raft's own tracer, for its TLA+ specification.
	TraceEtcd TraceFormat = C.RAFT_TRACE_ETCD
)

// Observer hears of what a node does. Its functions are called by whichever goroutine calls the node, perhaps several
// at a time, often with the node locked: a call of the node in them is ErrReentrant. Their panics are logged by
// slog.Default, and go no further.
type Observer struct {
	// Logger gets words for people: what was lost and defects as errors, what failed as warnings, changes of roles,
	// leaders and memberships as infos, refused calls as debug records. nil: nothing is logged.
	Logger *slog.Logger
	// Trace gets one JSON object for each thing that happens; the bytes are borrowed. For debugging and checking: it
	// costs time. nil: nothing is traced.
	Trace func(json []byte)
	// Format is the form of what Trace gets.
	Format TraceFormat
	// Time, with TraceEtcd, is the time of a line: a number that does not go back, with as many digits in all lines.
	// nil: the lines have no time.
	Time func() uint64
}

// SetObserver has the node watched from now on, in place of the observer before; the zero Observer hears nothing.
func (n *Node) SetObserver(observer Observer) error {
	if !n.enter() {
		return ErrClosed
	}
	if observer.Logger == nil && observer.Trace == nil {
		return n.done("SetObserver", C.raft_node_set_observer(n.node, nil))
	}
	level := C.int32_t(C.RAFT_LOG_NONE)
	if logger := observer.Logger; logger != nil {
		for l := C.int32_t(C.RAFT_LOG_ERROR); l <= C.RAFT_LOG_DEBUG; l++ {
			if logger.Enabled(context.Background(), slogLevel(l)) {
				level = l
			}
		}
	}
	// The library deletes the handle when it releases the observer, also if this call fails.
	watch := &watch{observer: observer, node: n.id}
	handle := cgo.NewHandle(watch)
	return n.done("SetObserver", C.raftcore_go_set_observer(n.node, C.uintptr_t(handle), level,
		C.bool(observer.Trace != nil), C.int32_t(observer.Format), C.bool(observer.Time != nil)))
}

// watch is what C knows an Observer by. It does not refer to the node, which can be forgotten.
type watch struct {
	observer Observer
	node     uint64
}

func slogLevel(level C.int32_t) slog.Level {
	switch level {
	case C.RAFT_LOG_ERROR:
		return slog.LevelError
	case C.RAFT_LOG_WARN:
		return slog.LevelWarn
	case C.RAFT_LOG_INFO:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// observed carries out a function of the observer: its panic must not unwind through frames of C and Rust.
func observed(handle C.uintptr_t, function func(*watch)) {
	watch := cgo.Handle(handle).Value().(*watch)
	defer func() {
		if r := recover(); r != nil {
			slog.Error("raftcore: an observer panicked", "node", watch.node, "panic", r)
		}
	}()
	function(watch)
}

//export raftcoreGoLog
func raftcoreGoLog(handle C.uintptr_t, level C.int32_t, text *C.char, size C.size_t) {
	observed(handle, func(w *watch) {
		w.observer.Logger.Log(context.Background(), slogLevel(level), C.GoStringN(text, C.int(size)), "node", w.node)
	})
}

//export raftcoreGoTrace
func raftcoreGoTrace(handle C.uintptr_t, json *C.char, size C.size_t) {
	observed(handle, func(w *watch) { w.observer.Trace(unsafe.Slice((*byte)(unsafe.Pointer(json)), int(size))) })
}

//export raftcoreGoTime
func raftcoreGoTime(handle C.uintptr_t) (time C.uint64_t) {
	observed(handle, func(w *watch) { time = C.uint64_t(w.observer.Time()) })
	return time
}

//export raftcoreGoReleaseObserver
func raftcoreGoReleaseObserver(handle C.uintptr_t) {
	cgo.Handle(handle).Delete()
}
