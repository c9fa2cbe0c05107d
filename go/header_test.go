// SPDX-License-Identifier: Apache-2.0

package raftcore

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unbound lists the functions that the package does not call, with the reason. A name that ends with * stands for all
// that begin so.
var unbound = map[string]string{
	"raft_drive":                       "its callbacks would cost more than a Ready does; Run is the same for Go",
	"raft_memory_storage_*":            "MemoryStorage is one of Go's, which takes no call of C to write",
	"raft_propose_owned":               "the library cannot own memory of Go's; Propose copies once",
	"raft_propose_batch":               "ProposeBatch copies into a block that raft_propose_batch_owned takes over",
	"raft_step_owned":                  "the library cannot own memory of Go's; Step copies once",
	"raft_memory_snapshot_owned":       "the library cannot own memory of Go's; MemorySnapshot copies once",
	"raft_snapshot_sink_set_owned":     "the library cannot own memory of Go's; a Storage's snapshot is copied once",
	"raft_snapshot_sink_set_encoded":   "a Storage returns a Snapshot; DecodeSnapshot makes one of bytes",
	"raft_conf_state_sink_set_encoded": "a Storage returns a ConfState; DecodeConfState makes one of bytes",
	"raft_conf_state_buffer_encoded":   "ConfState.Encode gives the same bytes",
	"raft_propose_conf_change_v1":      "ProposeConfChangeV1 has the id, too",
	"raft_node_id":                     "Node.ID knows it",
}

func TestEachFunctionOfTheHeaderIsBoundOrListed(t *testing.T) {
	header, err := os.ReadFile("../include/raftcore.h")
	if err != nil {
		t.Skip("the header is not beside the module: ", err)
	}
	declared := regexp.MustCompile(`(?m)\b(raft_[a-z0-9_]+)\(`)
	functions := map[string]bool{}
	for _, line := range strings.Split(string(header), "\n") {
		if strings.HasPrefix(line, "//") || strings.HasPrefix(line, "  ///") || strings.Contains(line, "raft_slice_of") {
			continue
		}
		for _, found := range declared.FindAllStringSubmatch(line, -1) {
			functions[found[1]] = true
		}
	}
	if len(functions) < 90 {
		t.Fatalf("only %d functions were found", len(functions))
	}
	var sources strings.Builder
	for _, pattern := range []string{"*.go", "*.c"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			must(t, err)
			sources.Write(text)
		}
	}
	calls := map[string]bool{}
	for _, found := range regexp.MustCompile(`\b(raft_[a-z0-9_]+)\b`).FindAllString(sources.String(), -1) {
		calls[found] = true
	}
	listed := func(function string) bool {
		for name := range unbound {
			if prefix, ok := strings.CutSuffix(name, "*"); name == function || ok && strings.HasPrefix(function, prefix) {
				return true
			}
		}
		return false
	}
	for function := range functions {
		switch {
		case !calls[function] && !listed(function):
			t.Errorf("%s is neither bound nor listed", function)
		case calls[function] && listed(function):
			t.Errorf("%s is bound, and listed as not bound", function)
		}
	}
	for name := range unbound {
		if !strings.HasSuffix(name, "*") && !functions[name] {
			t.Errorf("%s is listed, and not in the header", name)
		}
	}
}

// Each option of the configuration goes to the library and comes back.
func TestTheConfigurationGoesThere(t *testing.T) {
	config := DefaultConfig(1)
	config.Priority, config.AsyncStorageWrites, config.ApplyBeforePersist, config.LendSnapshots = -3, true, true, true
	config.GroupID, config.Seed, config.ElectionTicks = 7, 9, 33
	node, err := NewInMemory(config, ConfState{Voters: []uint64{1}})
	must(t, err)
	defer node.Close()
	got, err := node.Config()
	must(t, err)
	if got != config {
		t.Errorf("%+v\nis not\n%+v", got, config)
	}
}
