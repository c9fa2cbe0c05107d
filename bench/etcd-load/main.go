// SPDX-License-Identifier: Apache-2.0

// Command etcd-load loads an etcd cluster through etcd's own client, and prints one line of JSON:
// operations per second, percentiles of their latency, and what the load itself cost.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

var (
	endpoints   = flag.String("endpoints", "127.0.0.1:2379", "of the servers, separated by commas")
	op          = flag.String("op", "put", "put, or get (linearizable)")
	clients     = flag.Int("clients", 64, "how many requests are on their way at any time")
	connections = flag.Int("connections", 8, "connections that the clients share")
	valueBytes  = flag.Int("value-bytes", 256, "size of a value")
	keys        = flag.Int("keys", 10000, "how many keys there are")
	seconds     = flag.Float64("seconds", 3, "what is measured")
	warmUp      = flag.Float64("warm-up-seconds", 0.5, "what is not")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	if flag.NArg() > 0 || *clients < 1 || *connections < 1 || (*op != "put" && *op != "get") {
		flag.Usage()
		os.Exit(2)
	}
	var shared []*clientv3.Client
	for range min(*connections, *clients) {
		client, err := clientv3.New(clientv3.Config{
			Endpoints: strings.Split(*endpoints, ","), DialTimeout: 5 * time.Second, Logger: zap.NewNop(),
		})
		if err != nil {
			log.Fatal(err)
		}
		defer client.Close()
		shared = append(shared, client)
	}
	duration := func(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
	from := time.Now().Add(duration(*warmUp))
	until := from.Add(duration(*seconds))
	results := make([][]time.Duration, *clients)
	var group sync.WaitGroup
	for i := range *clients {
		group.Go(func() { results[i] = work(shared[i%len(shared)], from, until) })
	}
	group.Wait()
	report(slices.Concat(results...))
}

// work does one operation after the other, and returns how long those took that ended in time.
func work(client *clientv3.Client, from, until time.Time) []time.Duration {
	var latencies []time.Duration
	value := strings.Repeat("v", *valueBytes)
	for {
		key := fmt.Sprintf("key:%012d", rand.IntN(*keys))
		start := time.Now()
		if !start.Before(until) {
			return latencies
		}
		var err error
		if *op == "put" {
			_, err = client.Put(context.Background(), key, value)
		} else {
			_, err = client.Get(context.Background(), key)
		}
		if err != nil {
			log.Fatal(err)
		}
		if end := time.Now(); end.After(from) && end.Before(until) {
			latencies = append(latencies, end.Sub(start))
		}
	}
}

func report(latencies []time.Duration) {
	slices.Sort(latencies)
	at := func(share float64) float64 {
		if len(latencies) == 0 {
			return 0
		}
		place := min(int(share*float64(len(latencies))), len(latencies)-1)
		return latencies[place].Seconds() * 1000
	}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	cpu := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	fmt.Printf("{\"op\": %q, \"clients\": %d, \"ops_per_second\": %.1f, \"p50_ms\": %.4f, \"p99_ms\": %.4f, "+
		"\"p999_ms\": %.4f, \"client_cpu\": %.3f}\n",
		*op, *clients, float64(len(latencies))/(*seconds), at(0.5), at(0.99), at(0.999),
		(cpu(usage.Utime)+cpu(usage.Stime))/(*seconds+*warmUp))
}
