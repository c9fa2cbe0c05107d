// SPDX-License-Identifier: Apache-2.0
// Reads of a Peer: the question for their index, and their execution, on the loop or beside it.
#include <raftcore.h>

#include <cinttypes>
#include <utility>

#include "bytes.h"
#include "log.h"
#include "peer.h"
#include "raft_view.h"
#include "read_command.h"
#include "resp.h"

namespace kvd {

void Peer::ask_for_collected_reads() {
  const auto now = Clock::now();
  const uint64_t ticket =
      reads_.submit(now, now + std::chrono::milliseconds(parts_.config.request_timeout_ms));
  std::string context;
  put_big_endian(context, ticket);
  const raft_status status = raft_read_index(node_, raft_view(context));
  if (status == RAFT_OK) return;
  KVD_LOG(debug, "region %" PRIu64 ": read refused: %s", region_.id, raft_status_message(status));
  redirect(reads_.withdraw());
}

// The question of a follower, or its answer, may be lost; the leader may have changed.
void Peer::ask_again_for_reads() {
  const auto now = Clock::now();
  const auto patience = std::chrono::milliseconds(uint64_t{4} * parts_.config.tick_ms *
                                                  parts_.config.heartbeat_ticks);
  for (const uint64_t ticket : reads_.ask_again(now - patience, now)) {
    std::string context;
    put_big_endian(context, ticket);
    const raft_status status = raft_read_index(node_, raft_view(context));
    if (status != RAFT_ERR_NO_LEADER) require(status, "cannot ask for a read");
  }
}

void Peer::redirect(const std::vector<Waiter> &waiters) {
  std::string encoded;
  for (const Waiter &waiter : waiters) {
    encoded.clear();
    append_error(encoded, redirect_error(waiter.slot));
    waiter.reply(encoded);
  }
}

void Peer::redirect(const ReadQueue::Batch &batch) {
  std::vector<Waiter> waiters;
  for (const ReadQueue::Read &read : batch.reads) waiters.push_back(read.waiter);
  redirect(waiters);
}

void Peer::refuse_reads(const ReadQueue::Batch &batch, const std::string &error) {
  std::string encoded;
  append_error(encoded, error);
  for (const ReadQueue::Read &read : batch.reads) read.waiter.reply(encoded);
}

void Peer::serve_reads() {
  ReadQueue::Batch batch;
  while (reads_.take_ready(storage_.applied_index(), batch)) serve(std::move(batch));
}

void Peer::serve_held_reads() {
  has_held_work_ = false;
  for (ReadQueue::Batch &batch : std::exchange(held_reads_, {})) serve(std::move(batch));
}

void Peer::serve(ReadQueue::Batch batch) {
  std::vector<ReadQueue::Read> held;
  std::string reply;
  for (ReadQueue::Read &read : batch.reads) {
    const std::string_view encoded =
        std::string_view(batch.bytes).substr(read.begin, read.end - read.begin);
    const auto &sink = read.waiter.sink;
    if (sink->takes_replies() && sink->had_its_turn()) has_held_work_ = true;
    if (!sink->takes_replies() || sink->had_its_turn()) {
      held.push_back(std::move(read));
      continue;
    }
    reply.clear();
    if (is_long_read(encoded) || !execute_short_read(encoded, keys_, reply)) {
      sink->note_work({1, 0});
      serve_beside(std::string(encoded), read.waiter);
      continue;
    }
    sink->note_work({keys_of_read(encoded), reply.size()});
    read.waiter.reply(reply);
  }
  if (held.empty()) return;
  batch.reads = std::move(held);
  held_reads_.push_back(std::move(batch));
}

// While a Ready is being stored, what is applied may not go to the database yet: then the read
// waits.
void Peer::serve_beside(std::string encoded, const Waiter &waiter) {
  parts_.long_reads.add(waiter.sink, [this, encoded = std::move(encoded),
                                      waiter](LongReads::Done done) {
    const auto cursor = cursor_of_scan(encoded);
    const auto read = [&engine = parts_.engine, slots = region_.slots, encoded,
                       begin = cursor ? scan_cursors_.begin_of(*cursor) : ""] {
      return execute_long_read(encoded, engine, slots, begin);
    };
    const auto answer = [this, waiter, is_scan = cursor.has_value(),
                         done = std::move(done)](const LongReadResult &result) {
      waiter.reply(is_scan ? scan_reply(scan_cursors_.behind(result.last_data_key), result.reply)
                           : result.reply);
      done();
    };
    after_storing([this, read, answer] {
      checkpoints_.show(storage_.apply_state(),
                        [this, read, answer] { parts_.background.run(read, answer); });
    });
  });
}

void Peer::after_storing(std::function<void()> action) {
  ready_ == nullptr ? action() : after_storing_.push_back(std::move(action));
}

}  // namespace kvd
