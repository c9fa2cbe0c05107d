// SPDX-License-Identifier: Apache-2.0
// Writes of clients on their way through Raft: those that this turn collected, and those that wait
// for their log entry to be applied.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "waiter.h"

namespace kvd {

// The writes of one turn, packed into as few log entries as possible.
class ProposalBatch {
 public:
  struct Entry {
    size_t begin;  // in bytes()
    size_t end;
    std::vector<Waiter> waiters;  // one for each write in the entry
  };

  bool empty() const { return entries_.empty(); }

  // Where to append one encoded write. Then call either commit() or cancel().
  std::string &begin();
  void commit(Waiter waiter);
  void cancel();

  const std::string &bytes() const { return bytes_; }
  std::vector<Entry> &entries() { return entries_; }
  void clear();

 private:
  std::string bytes_;
  std::vector<Entry> entries_;
  size_t mark_ = 0;
  bool new_entry_ = false;
};

// The proposed writes, by the (term, index) that they got. Which write an index of the log holds is
// known only when an entry is applied there: until then even a deposed leader's entry may come to
// be committed by a later one.
class PendingWrites {
 public:
  void add(uint64_t term, uint64_t index, std::vector<Waiter> waiters, Clock::time_point deadline);

  // The entry of `term` was applied at `index`. Returns the waiters of that very entry (empty if it
  // was not proposed here); those whose entries lost their place to it are moved to `superseded`.
  std::vector<Waiter> applied(uint64_t term, uint64_t index, std::vector<Waiter> &superseded);

  // A snapshot took the place of everything up to `index`: what became of those entries cannot be
  // known here.
  std::vector<Waiter> covered_by_snapshot(uint64_t index);

  std::vector<Waiter> expired(Clock::time_point now);

  size_t entries() const;

 private:
  struct Entry {
    uint64_t index;
    Clock::time_point deadline;
    std::vector<Waiter> waiters;
  };
  // Indexes rise within a term, though not from one term to the next.
  struct Term {
    uint64_t term;
    std::deque<Entry> entries;
  };

  std::deque<Term> terms_;
};

}  // namespace kvd
