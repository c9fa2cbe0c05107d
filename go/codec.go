// SPDX-License-Identifier: Apache-2.0

package raftcore

// #include "bridge.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// MessageType is the type of a message.
type MessageType int32

// The message types. A transport has to know MessageSnapshot, and may treat all others alike.
const (
	MessagePropose        MessageType = C.RAFT_MESSAGE_PROPOSE
	MessageAppend         MessageType = C.RAFT_MESSAGE_APPEND
	MessageAppendReply    MessageType = C.RAFT_MESSAGE_APPEND_REPLY
	MessageVote           MessageType = C.RAFT_MESSAGE_VOTE
	MessageVoteReply      MessageType = C.RAFT_MESSAGE_VOTE_REPLY
	MessageSnapshot       MessageType = C.RAFT_MESSAGE_SNAPSHOT // report its fate with Node.ReportSnapshot
	MessageHeartbeat      MessageType = C.RAFT_MESSAGE_HEARTBEAT
	MessageHeartbeatReply MessageType = C.RAFT_MESSAGE_HEARTBEAT_REPLY
	MessageTransferLeader MessageType = C.RAFT_MESSAGE_TRANSFER_LEADER
	MessageTimeoutNow     MessageType = C.RAFT_MESSAGE_TIMEOUT_NOW
	MessageReadIndex      MessageType = C.RAFT_MESSAGE_READ_INDEX
	MessageReadIndexReply MessageType = C.RAFT_MESSAGE_READ_INDEX_REPLY
	MessagePreVote        MessageType = C.RAFT_MESSAGE_PRE_VOTE
	MessagePreVoteReply   MessageType = C.RAFT_MESSAGE_PRE_VOTE_REPLY
)

// MessageInfo is what InspectMessage finds in a message.
type MessageInfo struct {
	Type MessageType
	From uint64
	To   uint64
	// Term of the sender; 0 in messages that are independent of terms.
	Term uint64
	// Entries is the number of entries that it carries.
	Entries uint64
	// PayloadBytes counts the host's data in it: payloads of entries, a snapshot's data, contexts.
	PayloadBytes uint64
}

// InspectMessage looks into an encoded message without a node: for routing and for logs. The error is
// ErrDecode if it is not a message.
func InspectMessage(message []byte, dialect Dialect) (MessageInfo, error) {
	var info C.raft_message_info
	info.struct_size = C.size_t(unsafe.Sizeof(info))
	err := withoutNode("InspectMessage", func() C.raft_status {
		return C.raft_message_inspect(sliceOf(message), C.int32_t(dialect), &info)
	})
	if err != nil {
		return MessageInfo{}, err
	}
	return MessageInfo{
		Type:         MessageType(info._type),
		From:         uint64(info.from),
		To:           uint64(info.to),
		Term:         uint64(info.term),
		Entries:      uint64(info.entries),
		PayloadBytes: uint64(info.payload_bytes),
	}, nil
}

// MessageFields is all that a message says. What its type does not use is zero; the header raftcore.h explains each
// field at raft_message_fields.
type MessageFields struct {
	Type       MessageType
	Reject     bool
	Transfer   bool
	From, To   uint64
	Term       uint64
	LogTerm    uint64
	Index      uint64
	RejectHint uint64
	Commit     uint64
	CommitTerm uint64
	Priority   int64
	Entries    []Entry
	Context    []byte
	Snapshot   *Snapshot
}

// DecodeMessage decodes a message. The error is ErrDecode if it is none.
func DecodeMessage(message []byte) (MessageFields, error) {
	var fields MessageFields
	err := withoutNode("DecodeMessage", func() C.raft_status {
		var buffer *C.raft_message_buffer
		if status := C.raft_message_decode(sliceOf(message), &buffer); status != C.RAFT_OK {
			return status
		}
		defer C.raft_message_buffer_free(buffer)
		var view C.raft_message_fields
		view.struct_size = C.size_t(unsafe.Sizeof(view))
		status := C.raft_message_buffer_view(buffer, &view)
		if status == C.RAFT_OK {
			fields = messageFieldsOf(&view)
		}
		return status
	})
	return fields, err
}

func messageFieldsOf(view *C.raft_message_fields) MessageFields {
	fields := MessageFields{
		Type:       MessageType(view._type),
		Reject:     bool(view.reject),
		Transfer:   bool(view.transfer),
		From:       uint64(view.from),
		To:         uint64(view.to),
		Term:       uint64(view.term),
		LogTerm:    uint64(view.log_term),
		Index:      uint64(view.index),
		RejectHint: uint64(view.reject_hint),
		Commit:     uint64(view.commit),
		CommitTerm: uint64(view.commit_term),
		Priority:   int64(view.priority),
		Entries:    entriesOf(view.entries, view.entries_len),
		Context:    bytesOf(view.context),
	}
	if view.snapshot != nil {
		fields.Snapshot = snapshotOf(view.snapshot)
	}
	return fields
}

// Encode encodes the message: for tests, and for hosts that pass on messages of their own making. A node encodes
// its own.
func (f MessageFields) Encode() ([]byte, error) {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	raw := C.raft_message_fields{
		_type:       C.int32_t(f.Type),
		reject:      C.bool(f.Reject),
		transfer:    C.bool(f.Transfer),
		from:        C.uint64_t(f.From),
		to:          C.uint64_t(f.To),
		term:        C.uint64_t(f.Term),
		log_term:    C.uint64_t(f.LogTerm),
		index:       C.uint64_t(f.Index),
		reject_hint: C.uint64_t(f.RejectHint),
		commit:      C.uint64_t(f.Commit),
		commit_term: C.uint64_t(f.CommitTerm),
		priority:    C.int64_t(f.Priority),
	}
	raw.struct_size = C.size_t(unsafe.Sizeof(raw))
	raw.context.data, raw.context.len = pinned[C.uint8_t](&pinner, f.Context)
	entries := make([]C.raft_entry, len(f.Entries))
	for i := range f.Entries {
		entries[i] = f.Entries[i].toC(&pinner)
	}
	raw.entries, raw.entries_len = pinned[C.raft_entry](&pinner, entries)
	if f.Snapshot != nil {
		snapshot := []C.raft_snapshot{f.Snapshot.toC(&pinner)}
		raw.snapshot, _ = pinned[C.raft_snapshot](&pinner, snapshot)
	}
	return encoded("MessageFields.Encode", func(buffer *C.uint8_t, capacity C.size_t, needed *C.size_t) C.raft_status {
		return C.raft_message_encode(&raw, buffer, capacity, needed)
	})
}

// Encode encodes the entry: a form to store, the same as inside messages.
func (e Entry) Encode() ([]byte, error) {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	raw := e.toC(&pinner)
	return encoded("Entry.Encode", func(buffer *C.uint8_t, capacity C.size_t, needed *C.size_t) C.raft_status {
		return C.raft_entry_encode(&raw, buffer, capacity, needed)
	})
}

// DecodeEntry decodes what [Entry.Encode] returned. The error is ErrDecode.
func DecodeEntry(bytes []byte) (Entry, error) {
	var entry Entry
	err := withoutNode("DecodeEntry", func() C.raft_status {
		var raw C.raft_entry
		// raw points into the bytes, which are Go's: they stay where they are.
		var pinner runtime.Pinner
		defer pinner.Unpin()
		var slice C.raft_slice
		slice.data, slice.len = pinned[C.uint8_t](&pinner, bytes)
		status := C.raft_entry_decode(slice, &raw)
		if status == C.RAFT_OK {
			entry = entriesOf(&raw, 1)[0]
		}
		return status
	})
	return entry, err
}

// EncodedLen returns the bytes of the entry's encoding, the unit of all limits on log data.
func (e Entry) EncodedLen() uint64 {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	raw := e.toC(&pinner)
	return uint64(C.raft_entry_encoded_len(&raw))
}

// EntriesFitting returns how many of the first entries fit maxBytes of encoded size; at least one if there is one.
// It is what Storage.Entries may answer with.
func EntriesFitting(entries []Entry, maxBytes uint64) int {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	raw := make([]C.raft_entry, len(entries))
	for i := range entries {
		raw[i] = entries[i].toC(&pinner)
	}
	return int(C.raft_entries_fitting(unsafe.SliceData(raw), C.size_t(len(raw)), C.uint64_t(maxBytes)))
}

// Encode encodes the snapshot with its metadata for storing; [DecodeSnapshot] takes it.
func (s Snapshot) Encode() ([]byte, error) {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	raw := s.toC(&pinner)
	return encoded("Snapshot.Encode", func(buffer *C.uint8_t, capacity C.size_t, needed *C.size_t) C.raft_status {
		return C.raft_snapshot_encode(&raw, buffer, capacity, needed)
	})
}

// DecodeSnapshot decodes what [Snapshot.Encode] returned. The error is ErrDecode.
func DecodeSnapshot(bytes []byte) (*Snapshot, error) {
	return decodedSnapshot("DecodeSnapshot", func(out **C.raft_snapshot_buffer) C.raft_status {
		return C.raft_snapshot_decode(sliceOf(bytes), out)
	})
}

func decodedSnapshot(op string, decode func(**C.raft_snapshot_buffer) C.raft_status) (*Snapshot, error) {
	var snapshot *Snapshot
	err := withoutNode(op, func() C.raft_status {
		var buffer *C.raft_snapshot_buffer
		if status := decode(&buffer); status != C.RAFT_OK {
			return status
		}
		defer C.raft_snapshot_buffer_free(buffer)
		var view C.raft_snapshot
		status := C.raft_snapshot_buffer_view(buffer, &view)
		if status == C.RAFT_OK {
			snapshot = snapshotOf(&view)
		}
		return status
	})
	return snapshot, err
}
