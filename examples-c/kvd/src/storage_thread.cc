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

void StorageThread::write(rocksdb::WriteBatch &batch, bool sync) {
  {
    const std::lock_guard lock(mutex_);
    batch_ = &batch;
    sync_ = sync;
  }
  changed_.notify_one();
}

void StorageThread::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return batch_ != nullptr || stopping_; });
    if (batch_ == nullptr) return;
    rocksdb::WriteBatch &batch = *std::exchange(batch_, nullptr);
    const bool sync = sync_;
    lock.unlock();
    const auto start = std::chrono::steady_clock::now();
    engine_.write(batch, sync);
    const auto took = std::chrono::steady_clock::now() - start;
    if (took >= slow_write) {
      KVD_LOG(warn, "slow disk: a write of %zu bytes took %lld ms", batch.GetDataSize(),
              static_cast<long long>(took / std::chrono::milliseconds(1)));
    }
    asio::post(loop_, [this] { done_(); });
    lock.lock();
  }
}

}  // namespace kvd
