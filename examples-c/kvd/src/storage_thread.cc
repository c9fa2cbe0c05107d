// SPDX-License-Identifier: Apache-2.0
#include "storage_thread.h"

#include <asio/post.hpp>
#include <chrono>
#include <utility>

#include "log.h"

namespace kvd {
namespace {

// Heartbeats wait for writes: a disk that often takes this long will cost the store its leadership.
constexpr auto slow_write = std::chrono::milliseconds(200);

// After a second without writes the witnesses are brought up to date.
constexpr auto idle_time = std::chrono::seconds(1);

}  // namespace

StorageThread::StorageThread(Engine &engine, asio::io_context &loop, std::function<void()> done)
    : engine_(engine), loop_(loop), done_(std::move(done)), thread_([this] { run(); }) {}

StorageThread::~StorageThread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void StorageThread::write(rocksdb::WriteBatch &batch, bool sync, std::vector<WitnessedLog> logs) {
  {
    const std::lock_guard lock(mutex_);
    batch_ = &batch;
    sync_ = sync;
    logs_ = std::move(logs);
  }
  changed_.notify_one();
}

void StorageThread::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    const auto has_work = [this] { return batch_ != nullptr || stopping_; };
    if (!changed_.wait_for(lock, idle_time, has_work)) {
      for (const WitnessedLog &log : logs_) log.witness->catch_up();
      logs_.clear();
      changed_.wait(lock, has_work);
    }
    if (batch_ == nullptr) return;
    rocksdb::WriteBatch &batch = *std::exchange(batch_, nullptr);
    const bool sync = sync_;
    const std::vector<WitnessedLog> logs = logs_;
    lock.unlock();
    const auto start = std::chrono::steady_clock::now();
    for (const WitnessedLog &log : logs) log.witness->before_write(log.next);
    engine_.write(batch, sync);
    for (const WitnessedLog &log : logs) log.witness->after_write(log.next);
    const auto took = std::chrono::steady_clock::now() - start;
    if (took >= slow_write && slow_log_.passes()) {
      KVD_LOG(warn, "slow disk: a write of %zu bytes took %lld ms%s", batch.GetDataSize(),
              static_cast<long long>(took / std::chrono::milliseconds(1)), slow_log_.suffix());
    }
    asio::post(loop_, [this] { done_(); });
    lock.lock();
  }
}

}  // namespace kvd
