// SPDX-License-Identifier: Apache-2.0

// Kv is a replicated, durable key-value service. Three of them on one machine:
//
//	for i in 1 2 3; do
//	  kv -id $i -dir data$i -clients 127.0.0.1:900$i -peers 1=127.0.0.1:8001,2=127.0.0.1:8002,3=127.0.0.1:8003 &
//	done
//	printf 'PUT colour blue\nGET colour\n' | nc 127.0.0.1 9001
//
// A client sends lines: PUT key value, or GET key. The answer is a line, too: OK, VALUE with the value, NONE, or
// ERROR with the reason; a PUT at a node that does not lead names the leader.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"strconv"
	"strings"
)

func main() {
	var o options
	flag.Uint64Var(&o.id, "id", 0, "the node's id")
	flag.StringVar(&o.dir, "dir", "", "the directory of its log")
	flag.StringVar(&o.clients, "clients", "", "the address for clients")
	peers := flag.String("peers", "", "id=address of all members, this one included")
	flag.Parse()
	o.peers = map[uint64]string{}
	for _, peer := range strings.Split(*peers, ",") {
		id, address, _ := strings.Cut(peer, "=")
		number, err := strconv.ParseUint(id, 10, 64)
		if err != nil || address == "" {
			log.Fatalf("-peers: %q is not id=address", peer)
		}
		o.peers[number] = address
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := serve(ctx, o); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}
