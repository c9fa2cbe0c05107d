// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net"
	"time"

	raftcore "raftcore.example/go"
)

// maxFrame is the longest message that is read.
const maxFrame = 256 << 20

// transport brings messages to the peers, each by one connection, and takes theirs. It knows nobody: whoever reaches
// the port is believed. A service among strangers needs TLS with certificates here.
type transport struct {
	config raftcore.Config
	node   *raftcore.Node
	queues map[uint64]chan outgoing
}

type outgoing struct {
	bytes    []byte
	snapshot bool
}

func newTransport(config raftcore.Config, peers map[uint64]string) *transport {
	t := &transport{config: config, queues: map[uint64]chan outgoing{}}
	for id := range peers {
		if id != config.ID {
			t.queues[id] = make(chan outgoing, 1024)
		}
	}
	return t
}

// Send queues copies of the messages: they are lent.
func (t *transport) Send(messages []raftcore.Message) {
	for _, message := range messages {
		queue, ok := t.queues[message.To]
		if !ok {
			continue
		}
		out := outgoing{append([]byte(nil), message.Bytes...), message.Type == raftcore.MessageSnapshot}
		select {
		case queue <- out:
		default:
			t.lost(message.To, out)
		}
	}
}

func (t *transport) lost(to uint64, message outgoing) {
	if message.snapshot {
		_ = t.node.ReportSnapshot(to, false)
		return
	}
	_ = t.node.ReportUnreachable(to)
}

// deliver brings the queue of a peer to it until the context ends. A connection that breaks is made again.
func (t *transport) deliver(ctx context.Context, to uint64, address string) {
	var connection net.Conn
	defer func() {
		if connection != nil {
			connection.Close()
		}
	}()
	for {
		var message outgoing
		select {
		case <-ctx.Done():
			return
		case message = <-t.queues[to]:
		}
		var err error
		if connection == nil {
			connection, err = t.dial(ctx, address)
		}
		if err == nil {
			_ = connection.SetWriteDeadline(time.Now().Add(5 * time.Second))
			err = writeFrame(connection, message.bytes)
		}
		switch {
		case err != nil:
			if connection != nil {
				connection.Close()
				connection = nil
			}
			t.lost(to, message)
		case message.snapshot:
			_ = t.node.ReportSnapshot(to, true)
		}
	}
}

func (t *transport) dial(ctx context.Context, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 200 * time.Millisecond}
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	handshake, err := t.config.Handshake()
	if err == nil {
		err = writeFrame(connection, handshake)
	}
	if err != nil {
		connection.Close()
		return nil, err
	}
	return connection, nil
}

// receive hands over what a peer sends until the connection ends.
func (t *transport) receive(connection net.Conn, runner *raftcore.Runner) error {
	reader := bufio.NewReader(connection)
	handshake, err := readFrame(reader, nil)
	if err != nil {
		return err
	}
	if err := t.config.CheckHandshake(handshake); err != nil {
		return err
	}
	var buffer []byte
	for {
		if buffer, err = readFrame(reader, buffer); err != nil {
			return err
		}
		err := runner.Step(buffer)
		switch {
		case errors.Is(err, raftcore.ErrCommitBeyondLog), errors.Is(err, raftcore.ErrCommittedConflict):
			log.Fatal(err) // a member says that this node lost data
		case errors.Is(err, raftcore.ErrClosed):
			return err
		}
	}
}

func writeFrame(to io.Writer, bytes []byte) error {
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(bytes)), uint32(len(bytes)))
	_, err := to.Write(append(frame, bytes...))
	return err
}

// readFrame reads a frame into a buffer that is used again.
func readFrame(from io.Reader, buffer []byte) ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(from, header[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(header[:])
	if length > maxFrame {
		return nil, errors.New("a frame is too long")
	}
	if int(length) > cap(buffer) {
		buffer = make([]byte, length)
	}
	buffer = buffer[:length]
	_, err := io.ReadFull(from, buffer)
	return buffer, err
}
