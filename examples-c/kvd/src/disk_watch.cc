// SPDX-License-Identifier: Apache-2.0
#include "disk_watch.h"

#include <algorithm>

namespace kvd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto slow_sync = milliseconds(50);
constexpr int much_faster = 4;
constexpr auto must_hold = seconds(2);
constexpr auto between_handovers = seconds(60);
// A measurement says little about now when it is older.
constexpr auto fresh = seconds(1);
constexpr size_t max_marks = 256;

}  // namespace

uint64_t faster_store(DiskClock::duration own_sync, const std::vector<FollowerTime> &followers,
                      size_t voters) {
  if (own_sync <= slow_sync) return 0;
  size_t faster = 0;
  const FollowerTime *fastest = nullptr;
  for (const FollowerTime &follower : followers) {
    if (much_faster * follower.acknowledgement >= own_sync) continue;
    ++faster;
    if (fastest == nullptr || follower.acknowledgement < fastest->acknowledgement) {
      fastest = &follower;
    }
  }
  return faster >= voters / 2 + 1 ? fastest->store_id : 0;
}

uint64_t HandoverRule::decide(DiskClock::time_point now, uint64_t faster) {
  if (faster == 0) {
    holds_ = false;
    return 0;
  }
  if (!holds_) since_ = now;
  holds_ = true;
  if (now - since_ < must_hold) return 0;
  if (handed_over_ && now - last_handover_ < between_handovers) return 0;
  handed_over_ = true;
  last_handover_ = now;
  return faster;
}

void DiskWatch::sync_began(DiskClock::time_point now) {
  syncing_ = true;
  began_ = now;
}

void DiskWatch::sync_ended(DiskClock::time_point now) {
  if (!syncing_) return;
  syncing_ = false;
  ended_ = now;
  took_ = now - began_;
}

void DiskWatch::sent(uint64_t index, DiskClock::time_point now) {
  if (marks_.size() == max_marks) marks_.pop_front();
  if (marks_.empty() || marks_.back().index < index) marks_.push_back({index, now});
}

void DiskWatch::acknowledged(uint64_t store_id, uint64_t index, DiskClock::time_point now) {
  Follower &follower = followers_[store_id];
  // The newest that this covers.
  const auto behind =
      std::upper_bound(marks_.begin(), marks_.end(), index,
                       [](uint64_t at, const Mark &mark) { return at < mark.index; });
  if (behind == marks_.begin() || std::prev(behind)->index <= follower.index) return;
  follower = {std::prev(behind)->index, now - std::prev(behind)->sent, now};
}

void DiskWatch::forget() {
  marks_.clear();
  followers_.clear();
}

DiskClock::duration DiskWatch::own_sync(DiskClock::time_point now) const {
  const auto last = now - ended_ < fresh ? took_ : DiskClock::duration{};
  return syncing_ ? std::max(last, now - began_) : last;
}

std::vector<FollowerTime> DiskWatch::followers(DiskClock::time_point now) const {
  std::vector<FollowerTime> times;
  for (const auto &[id, follower] : followers_) {
    if (follower.index != 0 && now - follower.heard < fresh) times.push_back({id, follower.took});
  }
  return times;
}

}  // namespace kvd
