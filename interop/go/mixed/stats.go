// SPDX-License-Identifier: Apache-2.0

package mixed

import (
	"errors"
	"fmt"
)

// Stats counts what a run has seen. Pairs are by side: raftcore, etcd.
type Stats struct {
	Rounds, Clusters int
	// Messages stepped, by receiver, that came from the other side.
	Messages [2]int
	// Leaders elected.
	Leaders [2]int
	// Snapshots installed, by receiver, that came from the other side.
	Snapshots [2]int
	// Reads answered.
	Reads [2]int
	// ConfChanges in force, by the side of the leader that had ordered them; Joint is how many of
	// them entered a joint configuration.
	ConfChanges, Joint [2]int
	// Entries committed.
	Entries uint64
	// Restarts of nodes; Crashes is how many of them lost what was not synced.
	Restarts, Crashes int
	// Digest depends on all that was applied: the same seed gives the same.
	Digest uint64
}

// String is the final line of a run.
func (s Stats) String() string {
	return fmt.Sprintf("%d rounds, %d clusters, %d entries, %d restarts (%d with loss); raftcore/etcd: "+
		"leaders %d/%d, messages from the other side %d/%d, snapshots from the other side %d/%d, "+
		"membership changes %d/%d (joint %d/%d), reads %d/%d; digest %016x",
		s.Rounds, s.Clusters, s.Entries, s.Restarts, s.Crashes,
		s.Leaders[ours], s.Leaders[etcd], s.Messages[ours], s.Messages[etcd],
		s.Snapshots[ours], s.Snapshots[etcd], s.ConfChanges[ours], s.ConfChanges[etcd],
		s.Joint[ours], s.Joint[etcd], s.Reads[ours], s.Reads[etcd], s.Digest)
}

// covered says whether the run has proven anything: what never happened was not tested.
func (s Stats) covered() error {
	if s.Leaders[ours] == 0 || s.Leaders[etcd] == 0 {
		return errors.New("only one side has ever led")
	}
	const enoughRounds = 200
	if s.Rounds < enoughRounds {
		return nil
	}
	for name, pair := range map[string][2]int{
		"messages": s.Messages, "snapshots": s.Snapshots, "membership changes": s.ConfChanges,
		"joint configurations": s.Joint, "reads": s.Reads,
	} {
		if pair[ours] == 0 || pair[etcd] == 0 {
			return fmt.Errorf("one side has seen no %s", name)
		}
	}
	return nil
}
