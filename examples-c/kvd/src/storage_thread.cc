// SPDX-License-Identifier: Apache-2.0
#include "storage_thread.h"

#include <asio/post.hpp>
#include <utility>

namespace kvd {

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
    engine_.write(batch, sync);
    asio::post(loop_, [this] { done_(); });
    lock.lock();
  }
}

}  // namespace kvd
