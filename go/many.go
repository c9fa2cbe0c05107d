// SPDX-License-Identifier: Apache-2.0

package raftcore

// #include "bridge.h"
import "C"

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"
)

// Ticker ticks many nodes by one call of the library: for hosts with many groups. It may be used by several
// goroutines. The zero value is empty.
type Ticker struct {
	mu       sync.Mutex
	nodes    []*Node
	raw      []C.uintptr_t
	statuses []C.raft_status
}

// Add has the Ticker tick a node from now on. A node that is closed leaves when the Ticker has noticed it, at the next
// Tick, and is freed then.
func (t *Ticker) Add(node *Node) error {
	if !node.enter() { // until the node leaves
		return ErrClosed
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nodes = append(t.nodes, node)
	t.raw = append(t.raw, node.raw)
	t.statuses = append(t.statuses, C.RAFT_OK)
	return nil
}

// Remove has the Ticker tick a node no more.
func (t *Ticker) Remove(node *Node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, n := range t.nodes {
		if n == node {
			t.drop(i)
			return
		}
	}
}

// Len returns how many nodes there are.
func (t *Ticker) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.nodes)
}

// Tick ticks all nodes, each as Node.Tick. All are ticked, also if some answer errors, which come joined.
func (t *Ticker) Tick() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := len(t.nodes) - 1; i >= 0; i-- {
		if t.nodes[i].users.Load() < 0 {
			t.drop(i)
		}
	}
	failed := C.raftcore_go_tick_all(unsafe.SliceData(t.raw), C.size_t(len(t.raw)), unsafe.SliceData(t.statuses))
	if failed == 0 {
		return nil
	}
	var all []error
	for i, status := range t.statuses {
		if status != C.RAFT_OK {
			t.statuses[i] = C.RAFT_OK
			node := t.nodes[i]
			all = append(all, fmt.Errorf("node %d: %w", node.id, failure("Tick", status, node.node, node.calls.take())))
		}
	}
	return errors.Join(all...)
}

// Close removes all nodes, and closes none.
func (t *Ticker) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.nodes) > 0 {
		t.drop(len(t.nodes) - 1)
	}
}

func (t *Ticker) drop(i int) {
	t.nodes[i].leave()
	last := len(t.nodes) - 1
	t.nodes[i], t.raw[i] = t.nodes[last], t.raw[last]
	t.nodes[last] = nil
	t.nodes, t.raw, t.statuses = t.nodes[:last], t.raw[:last], t.statuses[:last]
}
