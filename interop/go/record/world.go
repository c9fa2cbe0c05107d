// SPDX-License-Identifier: Apache-2.0

// Package record makes random interaction scripts: commands to a small group of nodes, with what
// etcd/raft's own test environment answers to each. The runner of such scripts in testkit must answer
// the same.
package record

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/cockroachdb/datadriven"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/rafttest"
)

// stabilizeLimit ends commands that would never end: two followers that hand a proposal to and fro.
const stabilizeLimit = 3 * time.Second

// logLine matches what etcd/raft logs into the output; that is no part of a script.
var logLine = regexp.MustCompile(`^ *(DEBUG|INFO|WARN|ERROR|FATAL) `)

// world is etcd's test environment and the script of what happened in it.
type world struct {
	env    *rafttest.InteractionEnv
	script strings.Builder
	// options of add-nodes that the environment does not know, for the nodes being added.
	extra map[string]uint64
}

func newWorld() *world {
	w := &world{}
	w.env = rafttest.NewInteractionEnv(&rafttest.InteractionOpts{
		OnConfig:                     w.configure,
		SetRandomizedElectionTimeout: setElectionTimeout,
	})
	return w
}

// setElectionTimeout reaches for what etcd/raft exports to its own tests only.
func setElectionTimeout(node *raft.RawNode, ticks int) {
	inner := reflect.ValueOf(node).Elem().FieldByName("raft").Elem()
	field := inner.FieldByName("randomizedElectionTimeout")
	*(*int)(unsafe.Pointer(field.UnsafeAddr())) = ticks
}

func (w *world) configure(config *raft.Config) {
	for key, value := range w.extra {
		switch key {
		case "max-message-bytes":
			config.MaxSizePerMsg = value
		case "max-inflight-bytes":
			config.MaxInflightBytes = value
		case "max-uncommitted-bytes":
			config.MaxUncommittedEntriesSize = value
		case "disable-proposal-forwarding":
			config.DisableProposalForwarding = value != 0
		}
	}
}

// do runs a command and adds it to the script. A command that etcd/raft cannot take (it panics, or
// never ends) is not added, and the world is of no use any more.
func (w *world) do(line, input string) error {
	output, err := w.run(line, input)
	if err != nil {
		return fmt.Errorf("%s: %w", line, err)
	}
	fmt.Fprintln(&w.script, line)
	if input != "" {
		fmt.Fprintln(&w.script, input)
	}
	fmt.Fprintf(&w.script, "----\n%s\n\n", withoutLog(output))
	return nil
}

func (w *world) run(line, input string) (output string, err error) {
	command, args, err := datadriven.ParseLine(line)
	if err != nil {
		return "", err
	}
	data := datadriven.TestData{Pos: line, Cmd: command, CmdArgs: args, Input: input}
	err = errors.New("the environment gave up")
	// Without its nodes, the environment fails at its next step.
	timer := time.AfterFunc(stabilizeLimit, func() { w.env.Nodes = nil })
	done := make(chan struct{})
	// The environment's way to give up ends its goroutine.
	go func() {
		defer close(done)
		defer func() {
			if problem := recover(); problem != nil {
				err = fmt.Errorf("etcd/raft panicked: %v", problem)
			}
		}()
		output, err = w.handle(data)
	}()
	<-done
	if !timer.Stop() {
		return "", errors.New("it does not end")
	}
	return output, err
}

func (w *world) handle(data datadriven.TestData) (string, error) {
	switch data.Cmd {
	case "add-nodes":
		w.extra = map[string]uint64{}
		for _, arg := range data.CmdArgs {
			if len(arg.Vals) == 0 {
				continue
			}
			value := arg.Vals[len(arg.Vals)-1]
			if number, err := strconv.ParseUint(value, 10, 64); err == nil {
				w.extra[arg.Key] = number
			} else if flag, err := strconv.ParseBool(value); err == nil && flag {
				w.extra[arg.Key] = 1
			}
		}
	case "read-index":
		id, err := strconv.Atoi(data.CmdArgs[0].Key)
		if err != nil {
			return "", err
		}
		w.env.Output.Reset()
		w.env.Nodes[id-1].ReadIndex([]byte(data.CmdArgs[1].Key))
		return w.logged(), nil
	}
	return w.env.Handle(&testing.T{}, data), nil
}

// logged is the output of a command that only the library answers: what it logged.
func (w *world) logged() string {
	text := w.env.Output.String()
	w.env.Output.Reset()
	return text
}

// withoutLog is a command's output without log lines: "ok" if nothing else was printed.
func withoutLog(output string) string {
	var kept []string
	for _, line := range strings.Split(strings.TrimSuffix(output, "\n"), "\n") {
		if !logLine.MatchString(line) {
			kept = append(kept, line)
		}
	}
	text := strings.Join(kept, "\n")
	if text == "" {
		return "ok"
	}
	return text
}
