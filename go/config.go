// SPDX-License-Identifier: Apache-2.0

package raftcore

// #include "bridge.h"
import "C"

import (
	"math"
	"unsafe"
)

// NoLimit in byte limits of Config stands for "no limit".
const NoLimit uint64 = math.MaxUint64

// ReadMode says how reads are confirmed.
type ReadMode int32

// The read modes.
const (
	// ReadSafe: by a round of heartbeats; safe whatever the clocks do.
	ReadSafe ReadMode = C.RAFT_READ_SAFE
	// ReadLease: by the leader's lease; only as good as the clocks. Needs CheckQuorum. A node with this
	// mode grants leases, and does not vote for an election timeout after a start. Three conditions are
	// the host's; where one fails, reads may be stale:
	//   - Ticks of all hosts are equally long: their rates differ by less than one tick in an election
	//     timeout.
	//   - A host that was late gives the node the ticks that it missed before it calls ReadIndex.
	//   - A node that starts with another mode, or with fewer ElectionTicks than before, forgets what it
	//     has granted. It starts no sooner than its old election timeout after it has stopped.
	//
	// Members without this mode, or with fewer ElectionTicks than the leader, grant no lease. Reads take
	// a round where no quorum grants one. So leases may be switched on by restarting one node after the
	// other.
	ReadLease ReadMode = C.RAFT_READ_LEASE
)

// Dialect is the family of peers that are spoken to.
type Dialect int32

// The dialects.
const (
	DialectEtcd Dialect = C.RAFT_DIALECT_ETCD
	DialectTikv Dialect = C.RAFT_DIALECT_TIKV
)

// Config is a node's configuration. Begin with [DefaultConfig]; the header raftcore.h explains each
// field at raft_config.
type Config struct {
	// ID of this node; not 0, and never given to another node of the group.
	ID uint64
	// GroupID is the group that the node belongs to, if the host has several; the same on all its
	// members. With seed 0 it keeps groups from electing the same node in the same tick.
	GroupID uint64
	// Seed of the randomised election timeouts; 0 stands for one that follows from GroupID.
	Seed uint64
	// Applied is the last entry that the state machine has applied durably; 0 if it keeps none.
	Applied uint64

	ElectionTicks  uint32
	HeartbeatTicks uint32

	MaxMessageBytes           uint64
	MaxInflightBytes          uint64
	MaxInflightMessages       uint32
	MaxUncommittedBytes       uint64
	MaxCommittedBytesPerReady uint64
	LogCacheBytes             uint64
	MaxUncommittedEntries     uint32
	MaxPendingReads           uint32
	MaxWaitingMessages        uint32
	MaxWaitingBytes           uint64

	ReadMode ReadMode
	Dialect  Dialect

	PreVote             bool
	CheckQuorum         bool
	ForwardProposals    bool
	ValidateConfChanges bool
	StepDownOnRemoval   bool
	EagerAppend         bool

	// Priority: a voter refuses candidates of a lower one whose log is no newer than its own, unless it has heard
	// from no leader for two election timeouts.
	Priority int64
	// AsyncStorageWrites: work is acknowledged with Node.Acknowledge when it is done, instead of Advance; several
	// Readies may be worked on at a time, and each is ended by Ready.Release.
	AsyncStorageWrites bool
	// ApplyBeforePersist, with AsyncStorageWrites: committed entries are handed out although this node has not
	// stored them yet. The state machine must then not be durable ahead of the log.
	ApplyBeforePersist bool
	// LendSnapshots: snapshots are handed out without a copy of their data, as Ready.SnapshotMessages. For snapshots
	// that are large.
	LendSnapshots bool
}

// DefaultConfig returns the library's defaults for node id, good for a tick of 10 to 100
// milliseconds.
func DefaultConfig(id uint64) Config {
	var c C.raft_config
	if status := C.raft_config_init(&c, C.size_t(unsafe.Sizeof(c)), C.uint64_t(id)); status != C.RAFT_OK {
		// The only argument that could be wrong is the size of the struct.
		panic("raftcore: the header is newer than the library: " + Status(status).Error())
	}
	return configOf(&c)
}

func configOf(c *C.raft_config) Config {
	return Config{
		ID:                        uint64(c.id),
		GroupID:                   uint64(c.group_id),
		Seed:                      uint64(c.seed),
		Applied:                   uint64(c.applied),
		ElectionTicks:             uint32(c.election_ticks),
		HeartbeatTicks:            uint32(c.heartbeat_ticks),
		MaxMessageBytes:           uint64(c.max_message_bytes),
		MaxInflightBytes:          uint64(c.max_inflight_bytes),
		MaxInflightMessages:       uint32(c.max_inflight_messages),
		MaxUncommittedBytes:       uint64(c.max_uncommitted_bytes),
		MaxCommittedBytesPerReady: uint64(c.max_committed_bytes_per_ready),
		LogCacheBytes:             uint64(c.log_cache_bytes),
		MaxUncommittedEntries:     uint32(c.max_uncommitted_entries),
		MaxPendingReads:           uint32(c.max_pending_reads),
		MaxWaitingMessages:        uint32(c.max_waiting_messages),
		MaxWaitingBytes:           uint64(c.max_waiting_bytes),
		ReadMode:                  ReadMode(c.read_mode),
		Dialect:                   Dialect(c.dialect),
		PreVote:                   bool(c.pre_vote),
		CheckQuorum:               bool(c.check_quorum),
		ForwardProposals:          bool(c.forward_proposals),
		ValidateConfChanges:       bool(c.validate_conf_changes),
		StepDownOnRemoval:         bool(c.step_down_on_removal),
		EagerAppend:               bool(c.etcd_compat),
		Priority:                  int64(c.priority),
		AsyncStorageWrites:        bool(c.async_storage_writes),
		ApplyBeforePersist:        bool(c.apply_before_persist),
		LendSnapshots:             bool(c.lend_snapshots),
	}
}

// toC fills a C configuration: the library's defaults first, so that fields that this package does
// not know yet keep theirs.
func (c Config) toC() (C.raft_config, C.raft_status) {
	var out C.raft_config
	status := C.raft_config_init(&out, C.size_t(unsafe.Sizeof(out)), C.uint64_t(c.ID))
	out.group_id = C.uint64_t(c.GroupID)
	out.seed = C.uint64_t(c.Seed)
	out.applied = C.uint64_t(c.Applied)
	out.election_ticks = C.uint32_t(c.ElectionTicks)
	out.heartbeat_ticks = C.uint32_t(c.HeartbeatTicks)
	out.max_message_bytes = C.uint64_t(c.MaxMessageBytes)
	out.max_inflight_bytes = C.uint64_t(c.MaxInflightBytes)
	out.max_inflight_messages = C.uint32_t(c.MaxInflightMessages)
	out.max_uncommitted_bytes = C.uint64_t(c.MaxUncommittedBytes)
	out.max_committed_bytes_per_ready = C.uint64_t(c.MaxCommittedBytesPerReady)
	out.log_cache_bytes = C.uint64_t(c.LogCacheBytes)
	out.max_uncommitted_entries = C.uint32_t(c.MaxUncommittedEntries)
	out.max_pending_reads = C.uint32_t(c.MaxPendingReads)
	out.max_waiting_messages = C.uint32_t(c.MaxWaitingMessages)
	out.max_waiting_bytes = C.uint64_t(c.MaxWaitingBytes)
	out.read_mode = C.int32_t(c.ReadMode)
	out.dialect = C.int32_t(c.Dialect)
	out.pre_vote = C.bool(c.PreVote)
	out.check_quorum = C.bool(c.CheckQuorum)
	out.forward_proposals = C.bool(c.ForwardProposals)
	out.validate_conf_changes = C.bool(c.ValidateConfChanges)
	out.step_down_on_removal = C.bool(c.StepDownOnRemoval)
	out.etcd_compat = C.bool(c.EagerAppend)
	out.priority = C.int64_t(c.Priority)
	out.async_storage_writes = C.bool(c.AsyncStorageWrites)
	out.apply_before_persist = C.bool(c.ApplyBeforePersist)
	out.lend_snapshots = C.bool(c.LendSnapshots)
	return out, status
}

// Handshake returns what a peer needs to know to tell whether it can be in one group with this node. Send
// it, with its length, when a connection is made, and give the peer's to CheckHandshake. It is no message
// of Raft.
func (c Config) Handshake() ([]byte, error) {
	raw, status := c.toC()
	if status != C.RAFT_OK {
		return nil, &Error{Op: "Handshake", Status: Status(status)}
	}
	return encoded("Handshake", func(buffer *C.uint8_t, capacity C.size_t, needed *C.size_t) C.raft_status {
		return C.raft_config_handshake(&raw, buffer, capacity, needed)
	})
}

// CheckHandshake checks whether the peer that sent this Handshake can be in one group with a node of this
// configuration. Refuse the connection if it cannot: the error wraps ErrConfig, and names the field that
// does not fit (group, dialect, or ticks).
func (c Config) CheckHandshake(peer []byte) error {
	return withoutNode("CheckHandshake", func() C.raft_status {
		raw, status := c.toC()
		if status != C.RAFT_OK {
			return status
		}
		return C.raft_config_check_handshake(&raw, sliceOf(peer))
	})
}
