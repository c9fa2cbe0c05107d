// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"testing"
)

// The same is in bench/src/loss/network.rs.
func TestTheScheduleOfLossesIsFixed(t *testing.T) {
	n := network{seed: 7, nodes: 3, loss: 30, sent: make([]uint64, 9)}
	for _, link := range []struct {
		from, to uint64
		lost     []int
	}{
		{0, 1, []int{2, 5, 7, 8, 10, 12, 14, 15, 21, 29, 34, 35, 37}},
		{2, 0, []int{5, 10, 12, 16, 19, 25, 28, 29, 32, 33, 34, 35, 37, 38}},
	} {
		var lost []int
		for number := 1; number <= 40; number++ {
			if n.loses(link.from, link.to) {
				lost = append(lost, number)
			}
		}
		if !slices.Equal(lost, link.lost) {
			t.Errorf("from %d to %d: %v", link.from, link.to, lost)
		}
	}
}

func TestWritesGoOnWhileMessagesAreLost(t *testing.T) {
	c := lossCase{nodes: 3, clients: 4, payload: 16, rtt: 2000, tick: 100_000, seconds: 2, loss: 10, seed: 1}
	for _, c.reports = range []bool{false, true} {
		first, err := runLoss(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := runLoss(c)
		if err != nil || again != first || first.Operations == 0 {
			t.Errorf("%+v, then %+v, %v", first, again, err)
		}
	}
}
