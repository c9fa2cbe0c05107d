// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
)

func TestReplicationIsVerified(t *testing.T) {
	for _, encode := range []bool{false, true} {
		work := workload{nodes: 3, batch: 7, payload: 20, proposals: 5000, encode: encode}
		result, err := run(work)
		if err != nil {
			t.Fatal(err)
		}
		if result.ProposalsPerSecond <= 0 || result.MessagesPerProposal <= 0 || !result.Verified {
			t.Errorf("%+v", result)
		}
		work.corrupt = true
		if _, err := run(work); err == nil || !strings.Contains(err.Error(), "wrong replication: node 2") {
			t.Errorf("damage was not noticed: %v", err)
		}
	}
}
