// SPDX-License-Identifier: Apache-2.0

package raftcore_test

import (
	"fmt"
	"log"

	raftcore "raftcore.example/go"
)

// A group of one node: all that a host does, but for sending.
func Example() {
	storage := raftcore.NewMemoryStorage(raftcore.ConfState{Voters: []uint64{1}})
	node, err := raftcore.New(raftcore.DefaultConfig(1), storage)
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()

	if err := node.Campaign(); err != nil {
		log.Fatal(err)
	}
	for node.HasReady() {
		ready, err := node.Ready()
		if err != nil {
			log.Fatal(err)
		}
		if err := storage.Store(ready); err != nil { // a host that keeps its word syncs a disk here
			log.Fatal(err)
		}
		for _, entry := range ready.CommittedEntries {
			fmt.Printf("apply %d: %q\n", entry.Index, entry.Data)
		}
		if err := node.Advance(ready); err != nil {
			log.Fatal(err)
		}
		if state := ready.SoftState; state != nil && state.Role == raftcore.Leader {
			if _, err := node.Propose([]byte("hello")); err != nil {
				log.Fatal(err)
			}
		}
	}
	// Output:
	// apply 2: ""
	// apply 3: "hello"
}
