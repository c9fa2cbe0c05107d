// SPDX-License-Identifier: Apache-2.0

package raftcore

// #include "bridge.h"
import "C"

import (
	"runtime"
	"sync"
	"unsafe"
)

// work is memory of a call that lists Go memory to C. It is used again.
type work struct {
	pinner runtime.Pinner
	slices []C.raft_slice
}

var works = sync.Pool{New: func() any { return new(work) }}

func borrow() *work { return works.Get().(*work) }

func (w *work) release() {
	w.pinner.Unpin()
	clear(w.slices)
	w.slices = w.slices[:0]
	works.Put(w)
}

// slicesOf lists the slices to C until release. The list itself is pinned, too.
func (w *work) slicesOf(list [][]byte) []C.raft_slice {
	for _, bytes := range list {
		var slice C.raft_slice
		slice.data, slice.len = pinned[C.uint8_t](&w.pinner, bytes)
		w.slices = append(w.slices, slice)
	}
	return w.slices
}

// withoutNode carries out a function of the library that has no node: it keeps the detail of its error by thread.
func withoutNode(op string, function func() C.raft_status) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return failure(op, function(), nil, nil)
}

// encoded calls an encoding function twice: for the size, and for the bytes.
func encoded(op string, encode func(*C.uint8_t, C.size_t, *C.size_t) C.raft_status) ([]byte, error) {
	var bytes []byte
	err := withoutNode(op, func() C.raft_status {
		var needed C.size_t
		status := encode(nil, 0, &needed)
		if status != C.RAFT_ERR_TOO_LARGE {
			return status
		}
		bytes = make([]byte, needed)
		return encode((*C.uint8_t)(unsafe.SliceData(bytes)), needed, &needed)
	})
	if err != nil {
		return nil, err
	}
	return bytes, nil
}

// sliceOf describes bytes to C, as an argument of a call.
func sliceOf(bytes []byte) C.raft_slice {
	data, size := pointerTo(bytes)
	return C.raft_slice{data: data, len: size}
}

// toC describes the entry to C; valid until the pinner is unpinned.
func (e *Entry) toC(pinner *runtime.Pinner) C.raft_entry {
	raw := C.raft_entry{
		term:  C.uint64_t(e.Term),
		index: C.uint64_t(e.Index),
		kind:  C.int32_t(e.Kind),
		flags: C.uint32_t(e.Flags),
	}
	raw.data.data, raw.data.len = pinned[C.uint8_t](pinner, e.Data)
	return raw
}

// toC describes the snapshot to C; valid until the pinner is unpinned.
func (s *Snapshot) toC(pinner *runtime.Pinner) C.raft_snapshot {
	raw := C.raft_snapshot{
		term:       C.uint64_t(s.Term),
		index:      C.uint64_t(s.Index),
		conf_state: s.ConfState.toC(pinner),
	}
	raw.data.data, raw.data.len = pinned[C.uint8_t](pinner, s.Data)
	return raw
}
