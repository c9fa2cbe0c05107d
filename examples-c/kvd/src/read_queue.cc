// SPDX-License-Identifier: Apache-2.0
#include "read_queue.h"

#include <algorithm>
#include <utility>

namespace kvd {
namespace {

// Moves the batches for which `chosen` holds out of `from`, in order.
template <typename Chosen>
std::vector<ReadQueue::Batch> take_if(std::deque<ReadQueue::Batch> &from, const Chosen &chosen) {
  std::vector<ReadQueue::Batch> taken;
  const auto keep = [&](ReadQueue::Batch &batch) { return !chosen(batch); };
  const auto first = std::stable_partition(from.begin(), from.end(), keep);
  for (auto batch = first; batch != from.end(); ++batch) taken.push_back(std::move(*batch));
  from.erase(first, from.end());
  return taken;
}

}  // namespace

std::string &ReadQueue::begin() {
  mark_ = collecting_.bytes.size();
  return collecting_.bytes;
}

void ReadQueue::commit(Waiter waiter) {
  collecting_.reads.push_back({mark_, collecting_.bytes.size(), std::move(waiter)});
}

void ReadQueue::cancel() { collecting_.bytes.resize(mark_); }

uint64_t ReadQueue::submit(Clock::time_point now, Clock::time_point deadline) {
  collecting_.asked = now;
  collecting_.ticket = ++last_ticket_;
  collecting_.deadline = deadline;
  waiting_.push_back(std::exchange(collecting_, Batch()));
  return last_ticket_;
}

std::vector<uint64_t> ReadQueue::ask_again(Clock::time_point before, Clock::time_point now) {
  std::vector<uint64_t> tickets;
  for (Batch &batch : waiting_) {
    if (batch.index != 0 || batch.asked > before) continue;
    batch.asked = now;
    batch.ticket = ++last_ticket_;
    tickets.push_back(batch.ticket);
  }
  return tickets;
}

ReadQueue::Batch ReadQueue::withdraw() {
  Batch batch = std::move(waiting_.back());
  waiting_.pop_back();
  return batch;
}

void ReadQueue::confirmed(uint64_t ticket, uint64_t index) {
  for (Batch &batch : waiting_) {
    if (batch.ticket == ticket) batch.index = index;
  }
}

bool ReadQueue::take_ready(uint64_t applied, Batch &out) {
  const auto ready = std::find_if(waiting_.begin(), waiting_.end(), [&](const Batch &batch) {
    return batch.index != 0 && batch.index <= applied;
  });
  if (ready == waiting_.end()) return false;
  out = std::move(*ready);
  waiting_.erase(ready);
  return true;
}

std::vector<ReadQueue::Batch> ReadQueue::take_unconfirmed() {
  return take_if(waiting_, [](const Batch &batch) { return batch.index == 0; });
}

std::vector<ReadQueue::Batch> ReadQueue::take_expired(Clock::time_point now) {
  return take_if(waiting_, [now](const Batch &batch) { return batch.deadline <= now; });
}

}  // namespace kvd
