// SPDX-License-Identifier: Apache-2.0
// Work that would hold up the loop: reading through many keys, for a snapshot or a client.
#pragma once

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/thread_pool.hpp>
#include <utility>

namespace kvd {

// One thread beside the loop's. Destroy it before what its work refers to.
class Background {
 public:
  explicit Background(asio::io_context &loop) : loop_(loop), pool_(1) {}
  ~Background() { pool_.join(); }

  // Calls work() on the background thread, then done(its result) on the loop.
  template <typename Work, typename Done>
  void run(Work work, Done done) {
    asio::post(pool_, [this, work = std::move(work), done = std::move(done)]() mutable {
      asio::post(loop_,
                 [result = work(), done = std::move(done)]() mutable { done(std::move(result)); });
    });
  }

 private:
  asio::io_context &loop_;
  asio::thread_pool pool_;
};

}  // namespace kvd
