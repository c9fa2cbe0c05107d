// SPDX-License-Identifier: Apache-2.0

// Command record writes random interaction scripts, with what etcd/raft answers to each command. Our
// own runner of such scripts (`interact`, in testkit) must answer the same.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"raftcore.example/interop/record"
)

func main() {
	log.SetFlags(0)
	seed := flag.Uint64("seed", 1, "seed of the first script; the next ones count up")
	scripts := flag.Uint64("scripts", 100, "number of scripts")
	commands := flag.Int("commands", 60, "commands in a script, about")
	plain := flag.Bool("plain", false, "only what etcd's own scripts may have: no read-index, no limits in bytes")
	folder := flag.String("out", "", "folder to write the scripts to; it is made if it is missing")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: record -out FOLDER [-seed N] [-scripts N] [-commands N] [-plain]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 || *folder == "" || *commands < 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := os.MkdirAll(*folder, 0o755); err != nil {
		log.Fatal(err)
	}
	left := 0
	for each := *seed; each < *seed+*scripts; each++ {
		text, err := record.Script(record.Options{Seed: each, Commands: *commands, Plain: *plain})
		if err != nil {
			log.Printf("left out: %v", err)
			left++
			continue
		}
		if err := os.WriteFile(filepath.Join(*folder, fmt.Sprintf("%06d.txt", each)), []byte(text), 0o644); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Printf("%d scripts in %s, %d left out\n", *scripts-uint64(left), *folder, left)
}
