// SPDX-License-Identifier: Apache-2.0

package mixed

import (
	"flag"
	"testing"
)

var (
	rounds = flag.Int("rounds", 1500, "rounds of faults for each seed")
	seeds  = flag.Uint64("seeds", 4, "how many seeds")
	first  = flag.Uint64("seed", 1, "the first seed")
)

func TestMixedGroupsAgree(t *testing.T) {
	for seed := *first; seed < *first+*seeds; seed++ {
		stats, err := Run(Options{Seed: seed, Rounds: *rounds})
		if err != nil {
			t.Fatalf("%v\n%v", err, stats)
		}
		t.Logf("seed %d: %v", seed, stats)
	}
}

func TestASeedIsOneRun(t *testing.T) {
	options := Options{Seed: 77, Rounds: 40}
	one, err := Run(options)
	if err != nil {
		t.Fatal(err)
	}
	two, err := Run(options)
	if err != nil {
		t.Fatal(err)
	}
	if one != two {
		t.Errorf("seed %d gave\n%v\nand then\n%v", options.Seed, one, two)
	}
	options.Seed++
	other, err := Run(options)
	if err != nil {
		t.Fatal(err)
	}
	if other.Digest == one.Digest {
		t.Errorf("seeds %d and %d gave the same", options.Seed-1, options.Seed)
	}
}

// A check that cannot fail proves nothing: what the history has to notice, it notices.
func TestTheHistoryNoticesContradictions(t *testing.T) {
	h := newHistory(confStateOf(1, 2, 3))
	if err := h.reached(1, machine{applied: 2, hash: 7}); err != nil {
		t.Fatal(err)
	}
	if h.reached(2, machine{applied: 2, hash: 7}) != nil || h.reached(3, machine{applied: 2, hash: 8}) == nil {
		t.Error("two state machines differ at one index")
	}
	if err := h.changed(1, 2, confStateOf(1, 2)); err != nil {
		t.Fatal(err)
	}
	if h.changed(2, 2, confStateOf(2, 1)) != nil || h.changed(3, 2, confStateOf(1, 3)) == nil {
		t.Error("two memberships differ at one index")
	}
	if isNew, err := h.leads(1, 5); !isNew || err != nil {
		t.Fatal(isNew, err)
	}
	if _, err := h.leads(2, 5); err == nil {
		t.Error("two nodes lead one term")
	}
	if (Stats{Leaders: [2]int{3, 0}}).covered() == nil {
		t.Error("a run in which etcd never led counts")
	}
}
