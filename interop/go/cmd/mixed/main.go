// SPDX-License-Identifier: Apache-2.0

// Command mixed runs groups of go.etcd.io/raft/v3 and raftcore nodes under faults, and checks that
// they agree. It prints one line of counts; on a failure it prints the seed, and exits with 1.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	"raftcore.example/interop/mixed"
)

func main() {
	log.SetFlags(0)
	options := mixed.Options{}
	flag.Uint64Var(&options.Seed, "seed", uint64(time.Now().UnixNano()), "what decides everything (default: the time)")
	flag.IntVar(&options.Rounds, "rounds", 1000, "rounds of faults")
	verbose := flag.Bool("v", false, "tell about each round")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: mixed [-seed N] [-rounds N] [-v]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 || options.Rounds < 1 {
		flag.Usage()
		os.Exit(2)
	}
	if *verbose {
		options.Logf = log.Printf
	}
	stats, err := mixed.Run(options)
	if err != nil {
		log.Printf("FAILED %v\n%v", err, stats)
		os.Exit(1)
	}
	fmt.Printf("ok: seed %d, %v\n", options.Seed, stats)
}
