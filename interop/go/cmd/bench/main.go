// SPDX-License-Identifier: Apache-2.0

// Command bench measures how many proposals a second a group of go.etcd.io/raft/v3 nodes in one
// process replicates. It is the workload of the programs in bench/ (Rust), which run this one, and
// examples-c/bench (C).
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"syscall"
	"time"
)

// workload is what is measured.
type workload struct {
	nodes     uint64
	batch     int
	payload   int
	proposals uint64
	encode    bool
	cpuTime   bool
	// corrupt damages what node 2 applies.
	corrupt bool
}

// result is the line of JSON.
type result struct {
	Command                string  `json:"command"`
	Impl                   string  `json:"impl"`
	Nodes                  uint64  `json:"nodes"`
	Batch                  int     `json:"batch"`
	Payload                int     `json:"payload"`
	Encode                 bool    `json:"encode"`
	Proposals              uint64  `json:"proposals"`
	ProposalsPerSecond     float64 `json:"proposals_per_second"`
	MessagesPerProposal    float64 `json:"messages_per_proposal"`
	AllocationsPerProposal float64 `json:"allocations_per_proposal"`
	Verified               bool    `json:"verified"`
}

const (
	// lap is how many payloads are made at a time, while the clock stands still.
	lap = 4096
	// kept is how many entries stay in a node's log when it is compacted.
	kept = 1024
)

// clock tells the time spent.
type clock func() time.Duration

func wall() clock {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

// cpu counts all threads: the garbage collector's work is part of the cost.
func cpu() clock {
	return func() time.Duration {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			log.Fatal(err)
		}
		return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
}

// totals is what laps cost, the making of payloads excluded.
type totals struct {
	time        time.Duration
	allocations uint64
}

// replicate lets the group replicate more payloads, and checks that all nodes applied just these.
func replicate(g *group, work workload, proposals uint64, now clock) (totals, error) {
	var spent totals
	perLap := uint64((lap + work.batch - 1) / work.batch * work.batch)
	first := g.nodes[0].applied.count
	expected := g.nodes[0].applied
	var before, after runtime.MemStats
	for done := uint64(0); done < proposals; {
		count := min(perLap, proposals-done)
		payloads := makePayloads(first+done, int(count), work.payload)
		runtime.ReadMemStats(&before)
		began := now()
		for rest := payloads; len(rest) > 0; {
			batch := rest[:min(work.batch, len(rest))]
			rest = rest[len(batch):]
			if err := g.replicate(batch); err != nil {
				return spent, err
			}
		}
		if err := g.compact(); err != nil {
			return spent, err
		}
		spent.time += now() - began
		runtime.ReadMemStats(&after)
		spent.allocations += after.Mallocs - before.Mallocs
		for _, payload := range payloads {
			expected.add(payload)
		}
		done += count
	}
	for i, node := range g.nodes {
		if node.applied.hash != expected.hash || node.applied.count != expected.count {
			return spent, fmt.Errorf("wrong replication: node %d applied %d payloads of %d",
				i+1, node.applied.count, expected.count)
		}
	}
	return spent, nil
}

func run(work workload) (result, error) {
	now := wall()
	if work.cpuTime {
		now = cpu()
	}
	g, err := newGroup(work)
	if err != nil {
		return result{}, err
	}
	if _, err := replicate(g, work, min(lap, work.proposals), now); err != nil {
		return result{}, err
	}
	g.messages = 0
	spent, err := replicate(g, work, work.proposals, now)
	proposals := float64(work.proposals)
	return result{
		Command: "replicate", Impl: "etcd", Nodes: work.nodes, Batch: work.batch, Payload: work.payload,
		Encode: work.encode, Proposals: work.proposals,
		ProposalsPerSecond:     proposals / spent.time.Seconds(),
		MessagesPerProposal:    float64(g.messages) / proposals,
		AllocationsPerProposal: float64(spent.allocations) / proposals,
		Verified:               true,
	}, err
}

func usage() {
	fmt.Fprintln(flag.CommandLine.Output(), "usage: bench replicate [flags] | bench loss [flags]")
	flag.PrintDefaults()
}

func mainLoss(args []string) {
	var c lossCase
	if err := c.parse(args); err != nil {
		log.Print(err)
		os.Exit(2)
	}
	outcome, err := runLoss(c)
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(outcome); err != nil {
		log.Fatal(err)
	}
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	flag.Usage = usage
	work := workload{}
	flag.Uint64Var(&work.nodes, "nodes", 3, "members of the group")
	flag.IntVar(&work.batch, "batch", 64, "proposals between two turns of the host's loop")
	flag.IntVar(&work.payload, "payload", 256, "bytes of a payload, at least 8")
	flag.Uint64Var(&work.proposals, "proposals", 400_000, "proposals of the measurement")
	flag.BoolVar(&work.encode, "encode", false, "encode and decode every message")
	flag.BoolVar(&work.corrupt, "corrupt", false, "damage what node 2 applies, to see that it is noticed")
	clockName := flag.String("clock", "wall", "wall, or cpu: processor time of all threads")
	asJSON := flag.Bool("json", false, "one line of JSON instead of text")
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "loss" {
		mainLoss(args[1:])
		return
	}
	if len(args) > 0 && args[0] == "replicate" {
		args = args[1:]
	} else if len(args) == 0 || args[0] != "-h" && args[0] != "--help" {
		usage()
		os.Exit(2)
	}
	_ = flag.CommandLine.Parse(args)
	work.cpuTime = *clockName == "cpu"
	if flag.NArg() > 0 || work.nodes < 1 || work.nodes > 9 || work.batch < 1 || work.payload < 8 ||
		work.proposals < 1 || !work.cpuTime && *clockName != "wall" {
		usage()
		os.Exit(2)
	}
	result, err := run(work)
	if err != nil {
		log.Fatal(err)
	}
	if !*asJSON {
		fmt.Printf("%.0f proposals/s, %.3f messages, %.3f allocations per proposal\n",
			result.ProposalsPerSecond, result.MessagesPerProposal, result.AllocationsPerProposal)
		return
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		log.Fatal(err)
	}
}
