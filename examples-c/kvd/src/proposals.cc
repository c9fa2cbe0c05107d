// SPDX-License-Identifier: Apache-2.0
#include "proposals.h"

#include <iterator>

#include "write_command.h"

namespace kvd {
namespace {

// An entry that has this many bytes takes no further write: followers get entries whole, and a
// message should not be much larger than the others.
constexpr size_t full_entry_bytes = 64 << 10;
constexpr size_t kept_capacity = 4 << 20;

void move_into(std::vector<Waiter> &to, std::vector<Waiter> &from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

std::string &ProposalBatch::begin() {
  mark_ = bytes_.size();
  new_entry_ = entries_.empty() || bytes_.size() - entries_.back().begin >= full_entry_bytes;
  if (new_entry_) bytes_.push_back(write_entry_version);
  return bytes_;
}

void ProposalBatch::commit(Waiter waiter) {
  if (new_entry_) entries_.push_back({mark_, mark_, {}});
  entries_.back().end = bytes_.size();
  entries_.back().waiters.push_back(std::move(waiter));
}

void ProposalBatch::cancel() { bytes_.resize(mark_); }

void ProposalBatch::clear() {
  entries_.clear();
  bytes_.clear();
  if (bytes_.capacity() > kept_capacity) bytes_.shrink_to_fit();
}

void PendingWrites::add(uint64_t term, uint64_t index, std::vector<Waiter> waiters,
                        Clock::time_point deadline) {
  if (terms_.empty() || terms_.back().term != term) terms_.push_back({term, {}});
  terms_.back().entries.push_back({index, deadline, std::move(waiters)});
}

std::vector<Waiter> PendingWrites::applied(uint64_t term, uint64_t index,
                                           std::vector<Waiter> &superseded) {
  std::vector<Waiter> found;
  for (Term &group : terms_) {
    while (!group.entries.empty() && group.entries.front().index <= index) {
      Entry &entry = group.entries.front();
      move_into(entry.index == index && group.term == term ? found : superseded, entry.waiters);
      group.entries.pop_front();
    }
  }
  std::erase_if(terms_, [](const Term &group) { return group.entries.empty(); });
  return found;
}

std::vector<Waiter> PendingWrites::covered_by_snapshot(uint64_t index) {
  std::vector<Waiter> covered;
  applied(0, index, covered);  // no entry has term 0
  return covered;
}

std::vector<Waiter> PendingWrites::expired(Clock::time_point now) {
  std::vector<Waiter> late;
  for (Term &group : terms_) {
    for (Entry &entry : group.entries) {
      if (entry.deadline > now) break;
      move_into(late, entry.waiters);
      entry.waiters.clear();
    }
  }
  return late;
}

size_t PendingWrites::entries() const {
  size_t count = 0;
  for (const Term &group : terms_) count += group.entries.size();
  return count;
}

}  // namespace kvd
