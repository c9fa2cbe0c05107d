// SPDX-License-Identifier: Apache-2.0

// Package mixed runs groups in which some nodes are go.etcd.io/raft/v3 and some are raftcore, under
// faults that are drawn from a seed, and checks that they agree.
package mixed

import (
	crand "crypto/rand"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// shapes of clusters: how many nodes of etcd, and of raftcore.
var shapes = [][2]int{{1, 2}, {2, 1}, {2, 2}, {2, 3}, {3, 2}, {4, 3}, {3, 4}}

// roundsPerCluster before another cluster is made.
const roundsPerCluster = 20

// Options of a run.
type Options struct {
	// Seed decides everything: the same seed is the same run.
	Seed uint64
	// Rounds of faults, each followed by a check that the group has settled.
	Rounds int
	// Logf is told what goes on. May be nil.
	Logf func(format string, args ...any)
}

// Run carries out a run. It changes crypto/rand.Reader, from which etcd/raft draws its election
// timeouts: only so a seed can be run again. Not for two goroutines at a time.
func Run(options Options) (stats Stats, err error) {
	logf := options.Logf
	if logf == nil {
		logf = func(string, ...any) {}
	}
	random := rand.New(rand.NewPCG(options.Seed, 0))
	genuine := crand.Reader
	defer func() { crand.Reader = genuine }()
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], options.Seed)
	crand.Reader = rand.NewChaCha8(key)

	for stats.Rounds < options.Rounds {
		shape := shapes[stats.Clusters%len(shapes)]
		rounds := min(roundsPerCluster, options.Rounds-stats.Rounds)
		if err := runCluster(random, shape, rounds, &stats, logf); err != nil {
			return stats, fmt.Errorf("seed %d, cluster %d, round %d: %w", options.Seed, stats.Clusters, stats.Rounds, err)
		}
	}
	if err := stats.covered(); err != nil {
		return stats, fmt.Errorf("seed %d: %w", options.Seed, err)
	}
	return stats, nil
}

// runCluster makes a cluster and carries out some rounds. Panics, with which etcd/raft says that
// something is wrong, become errors.
func runCluster(random *rand.Rand, shape [2]int, rounds int, stats *Stats, logf func(string, ...any)) (err error) {
	var c *cluster
	defer func() {
		if c != nil {
			c.close()
		}
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	if c, err = newCluster(random, shape[0], shape[1], stats, logf); err != nil {
		return err
	}
	for range rounds {
		stats.Rounds++
		if err := c.round(); err != nil {
			return err
		}
		logf("round %d: %d applied, %s", stats.Rounds, c.history.applied, canonical(c.history.conf))
	}
	stats.Entries += c.history.applied
	stats.Digest = stats.Digest*31 + c.nodes[c.ids[0]].disk.machine.hash
	return nil
}

// round is a time of faults, a time of peace, and at times a change of leader.
func (c *cluster) round() error {
	if err := c.chaos(); err != nil {
		return err
	}
	if err := c.settle(); err != nil {
		return err
	}
	if c.random.IntN(3) > 0 {
		return nil
	}
	voters := c.history.conf.Voters
	if err := c.leader().transferLeader(voters[c.random.IntN(len(voters))]); err != nil {
		return err
	}
	return c.settle()
}
