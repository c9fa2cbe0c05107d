// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// cluster is three servers on this machine's loopback.
type cluster struct {
	t       *testing.T
	options map[uint64]options
	stop    map[uint64]func()
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{t, map[uint64]options{}, map[uint64]func(){}}
	peers := map[uint64]string{}
	for id := uint64(1); id <= 3; id++ {
		peers[id] = freeAddress(t)
	}
	for id := uint64(1); id <= 3; id++ {
		c.options[id] = options{id: id, dir: t.TempDir(), clients: freeAddress(t), peers: peers}
		c.start(id)
	}
	t.Cleanup(func() {
		for _, stop := range c.stop {
			stop()
		}
	})
	return c
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func (c *cluster) start(id uint64) {
	ctx, cancel := context.WithCancel(context.Background())
	ended, o := make(chan struct{}), c.options[id]
	go func() {
		defer close(ended)
		if err := serve(ctx, o); err != nil && ctx.Err() == nil {
			c.t.Error(err)
		}
	}()
	c.stop[id] = func() {
		cancel()
		<-ended
	}
}

// ask sends a line to a server; its answer, or why there is none.
func (c *cluster) ask(id uint64, line string) string {
	connection, err := net.DialTimeout("tcp", c.options[id].clients, time.Second)
	if err != nil {
		return "ERROR " + err.Error()
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintln(connection, line)
	answer, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return "ERROR " + err.Error()
	}
	return strings.TrimSpace(answer)
}

// until asks the servers in turn until one gives the answer.
func (c *cluster) until(answer, line string, ids ...uint64) {
	c.t.Helper()
	got := ""
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for _, id := range ids {
			if got = c.ask(id, line); got == answer {
				return
			}
		}
	}
	c.t.Fatalf("%s: %s, not %s", line, got, answer)
}

func TestWhatIsPutIsThereAfterRestarts(t *testing.T) {
	c := newCluster(t)
	c.until("OK", "PUT colour blue and green", 1, 2, 3)
	for id := uint64(1); id <= 3; id++ {
		c.until("VALUE blue and green", "GET colour", id)
	}
	c.until("NONE", "GET size", 2)
	for id := uint64(1); id <= 3; id++ {
		c.stop[id]()
		key := fmt.Sprint("without", id)
		c.until("OK", fmt.Sprintf("PUT %s %d", key, id), 1, 2, 3)
		c.start(id)
		c.until(fmt.Sprint("VALUE ", id), "GET "+key, id)
	}
	for id := uint64(1); id <= 3; id++ {
		c.stop[id]()
	}
	for id := uint64(1); id <= 3; id++ {
		c.start(id)
	}
	c.until("VALUE blue and green", "GET colour", 1, 2, 3)
	if answer := c.ask(1, "POST colour"); !strings.HasPrefix(answer, "ERROR a request") {
		t.Errorf("no request: %s", answer)
	}
}

func TestAServerThatWasAwayGetsASnapshot(t *testing.T) {
	c := newCluster(t)
	c.until("OK", "PUT first 1", 1, 2, 3)
	c.stop[3]()
	c.until("OK", "PUT second 2", 1, 2)
	leader := uint64(1)
	if c.ask(1, "PUT third 3") != "OK" {
		leader = 2
	}
	connection, err := net.Dial("tcp", c.options[leader].clients)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(20 * time.Second))
	reader := bufio.NewReader(connection)
	const count = snapshotEntries + 100
	for i := range count {
		fmt.Fprintf(connection, "PUT key%d %d\n", i%50, i)
		if answer, err := reader.ReadString('\n'); answer != "OK\n" {
			t.Fatalf("put %d: %q, %v", i, answer, err)
		}
	}
	c.start(3)
	c.until(fmt.Sprint("VALUE ", count-1), fmt.Sprint("GET key", (count-1)%50), 3)
	c.until("VALUE 1", "GET first", 3)
}
