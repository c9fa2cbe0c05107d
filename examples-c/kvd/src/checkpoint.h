// SPDX-License-Identifier: Apache-2.0
// Carries what was applied from memory to the database, beside the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "background.h"
#include "engine.h"
#include "key_space.h"
#include "snapshot.h"

namespace kvd {

// Changes and the apply state after them go to the database together: whatever of it a crash
// leaves, the keys there are those that belong to the applied index there, and the log has what
// follows.
//
// Either way is atomic. As a file: durable, and nobody waits for it. In memory: for what is small
// and need not be durable; a crash may take it away again.
void store_as_file(Engine &engine, uint64_t region_id, const Changes &changes,
                   const ApplyState &state);
void store_in_memory(Engine &engine, uint64_t region_id, const Changes &changes,
                     const ApplyState &state);

// Does that for one Region, one after the other, on a thread. All functions are called on the loop.
class Checkpoints {
 public:
  // `on_durable` is called on the loop with the applied index that a crash will not take away.
  Checkpoints(Engine &engine, Background &thread, uint64_t region_id, KeySpace &keys,
              std::function<void(uint64_t index)> on_durable);
  Checkpoints(const Checkpoints &) = delete;
  Checkpoints &operator=(const Checkpoints &) = delete;

  // Makes all changes so far durable. `state` is what they led to; its log must be durable already.
  void start(const ApplyState &state);
  // Whether one that start() began is under way.
  bool running() const { return running_; }

  // Puts all changes so far into the database, for readers on other threads, then calls `done`.
  void show(const ApplyState &state, std::function<void()> done);

  // Nothing that is under way changes the database any more; `done` is called all the same.
  void abandon();

 private:
  // Shared with the work on the thread.
  struct Gate {
    std::mutex mutex;
    uint64_t generation = 0;
  };

  void store(const ApplyState &state, bool durable, std::function<void()> done);

  Engine &engine_;
  Background &thread_;
  uint64_t region_id_;
  KeySpace &keys_;
  std::function<void(uint64_t index)> on_durable_;
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
  bool running_ = false;
};

}  // namespace kvd
