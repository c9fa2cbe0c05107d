// SPDX-License-Identifier: Apache-2.0
// Writes to the disk beside the loop: while a batch is synced, the loop goes on receiving.
#pragma once

#include <rocksdb/write_batch.h>

#include <asio/io_context.hpp>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "engine.h"
#include "log_limit.h"
#include "witness.h"

namespace kvd {

// Where the log of a Region is after a write.
struct WitnessedLog {
  Witness *witness = nullptr;
  WitnessRecord next;
};

class StorageThread {
 public:
  // `done` is called on the loop after each write.
  StorageThread(Engine &engine, asio::io_context &loop, std::function<void()> done);
  // Waits for the write that is under way.
  ~StorageThread();

  // Starts to write the batch, which must stay as it is until `done` is called. One at a time. The
  // witnesses of the logs that it changes go along.
  void write(rocksdb::WriteBatch &batch, bool sync, std::vector<WitnessedLog> logs);

 private:
  void run();

  Engine &engine_;
  asio::io_context &loop_;
  std::function<void()> done_;
  std::mutex mutex_;
  std::condition_variable changed_;
  rocksdb::WriteBatch *batch_ = nullptr;  // what is to be written
  bool sync_ = false;
  std::vector<WitnessedLog> logs_;
  bool stopping_ = false;
  LogLimit slow_log_{std::chrono::seconds(1)};
  std::thread thread_;
};

}  // namespace kvd
