// SPDX-License-Identifier: Apache-2.0
// Linearizable reads (thesis section 6.4): all reads that one turn collected ask the leader's
// quorum together, and are served once the state machine has what was committed when they asked.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "waiter.h"

namespace kvd {

class ReadQueue {
 public:
  struct Read {
    size_t begin;  // in the batch's bytes
    size_t end;
    Waiter waiter;
  };

  struct Batch {
    uint64_t ticket = 0;
    Clock::time_point asked;
    uint64_t index = 0;  // serve when this is applied; 0: not confirmed yet
    Clock::time_point deadline;
    std::string bytes;
    std::vector<Read> reads;
  };

  // Where to append one encoded read. Then call either commit() or cancel().
  std::string &begin();
  void commit(Waiter waiter);
  void cancel();

  bool has_collected() const { return !collecting_.reads.empty(); }
  // Closes the turn's batch; returns the ticket to ask Raft with.
  uint64_t submit(Clock::time_point now, Clock::time_point deadline);
  // Bytes that were collected for this turn.
  size_t collected_bytes() const { return collecting_.bytes.size(); }
  // New tickets for the batches that were asked for before `before` and are not confirmed: a
  // question or its answer may be lost.
  std::vector<uint64_t> ask_again(Clock::time_point before, Clock::time_point now);
  // Takes back the batch that was submitted last, which Raft refused.
  Batch withdraw();

  void confirmed(uint64_t ticket, uint64_t index);

  // A confirmed batch that may be served at `applied`, taken out; false if there is none.
  bool take_ready(uint64_t applied, Batch &out);
  // All batches that wait for a confirmation.
  std::vector<Batch> take_unconfirmed();
  std::vector<Batch> take_expired(Clock::time_point now);

 private:
  Batch collecting_;
  size_t mark_ = 0;
  uint64_t last_ticket_ = 0;
  std::deque<Batch> waiting_;
};

}  // namespace kvd
