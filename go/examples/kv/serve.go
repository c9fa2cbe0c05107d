// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sort"
	"strings"
	"sync"
	"time"

	raftcore "raftcore.example/go"
)

// options are those of one server.
type options struct {
	id           uint64
	dir, clients string
	peers        map[uint64]string
}

// groupID keeps the nodes of other groups out.
const groupID = 1

// serve runs a server until the context ends.
func serve(ctx context.Context, o options) error {
	ctx, cancel := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()

	var members raftcore.ConfState
	for id := range o.peers {
		members.Voters = append(members.Voters, id)
	}
	sort.Slice(members.Voters, func(i, j int) bool { return members.Voters[i] < members.Voters[j] })
	storage, err := raftcore.OpenFileStorage(o.dir, members)
	if err != nil {
		return err
	}
	defer storage.Close()
	config := raftcore.DefaultConfig(o.id)
	config.GroupID, config.ForwardProposals = groupID, false
	host := &store{transport: newTransport(config, o.peers), log: storage}
	snapshot, err := storage.Snapshot()
	if err == nil {
		err = host.ApplySnapshot(&snapshot)
	}
	if err != nil {
		return err
	}
	config.Applied = host.applied
	node, err := raftcore.New(config, storage)
	if err != nil {
		return err
	}
	defer node.Close()
	host.node = node
	runner := raftcore.NewRunner(node, host, 20*time.Millisecond)

	start := func(task func()) {
		tasks.Add(1)
		go func() {
			defer tasks.Done()
			task()
		}()
	}
	for id, address := range o.peers {
		if id != o.id {
			start(func() { host.deliver(ctx, id, address) })
		}
	}
	handlers := map[string]func(net.Conn){
		o.peers[o.id]: func(connection net.Conn) { _ = host.receive(connection, runner) },
		o.clients:     func(connection net.Conn) { talk(ctx, connection, node, runner, host) },
	}
	for address, handle := range handlers {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		start(func() { accept(ctx, listener, start, handle) })
	}
	return runner.Run(ctx)
}

// accept serves connections until the context ends, and closes them then.
func accept(ctx context.Context, listener net.Listener, start func(func()), handle func(net.Conn)) {
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		start(func() {
			stop := context.AfterFunc(ctx, func() { connection.Close() })
			defer stop()
			defer connection.Close()
			handle(connection)
		})
	}
}

// talk answers the lines of a client.
func talk(ctx context.Context, connection net.Conn, node *raftcore.Node, runner *raftcore.Runner, host *store) {
	lines := bufio.NewScanner(connection)
	for lines.Scan() {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		answer := request(ctx, lines.Text(), node, runner, host)
		cancel()
		if _, err := fmt.Fprintln(connection, answer); err != nil {
			return
		}
	}
}

func request(ctx context.Context, line string, node *raftcore.Node, runner *raftcore.Runner, host *store) string {
	verb, rest, _ := strings.Cut(line, " ")
	key, value, hasValue := strings.Cut(rest, " ")
	switch {
	case verb == "PUT" && key != "" && hasValue:
		data, err := json.Marshal(command{key, value})
		if err != nil {
			return "ERROR " + err.Error()
		}
		switch _, err := runner.Propose(ctx, data); {
		case err == nil:
			return "OK"
		case errors.Is(err, raftcore.ErrProposalDropped):
			state, _ := node.SoftState()
			return fmt.Sprintf("ERROR node %d leads", state.Leader)
		default:
			return "ERROR " + err.Error()
		}
	case verb == "GET" && key != "" && !hasValue:
		if err := runner.Read(ctx); err != nil {
			return "ERROR " + err.Error()
		}
		if value, ok := host.get(key); ok {
			return "VALUE " + value
		}
		return "NONE"
	}
	return "ERROR a request is PUT key value, or GET key"
}
