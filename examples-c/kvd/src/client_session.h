// SPDX-License-Identifier: Apache-2.0
// A client's connection: requests in, replies out in their order.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/generic/stream_protocol.hpp>
#include <asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <string>

#include "local_commands.h"
#include "receive_buffer.h"
#include "resp.h"
#include "stream_writer.h"
#include "turn_budget.h"
#include "waiter.h"

namespace kvd {

class Peer;
class Store;

// A client may send requests without waiting for replies. They are collected together as long as
// they are all reads or all writes: a read waits for the writes before it, and a write for the
// reads, so that each sees what came before it on this connection and nothing that comes after.
class ClientSession : public ReplySink, public std::enable_shared_from_this<ClientSession> {
 public:
  // TCP, or a socket in the file system.
  using Socket = asio::generic::stream_protocol::socket;

  // An administrator's session has a place beside those of --max-clients.
  ClientSession(Socket socket, Store &store, uint64_t id, bool is_admin = false);

  bool is_admin() const { return is_admin_; }

  uint64_t id() const { return info_.id; }

  // Receives and executes until the connection ends.
  asio::awaitable<void> run();

  // ReplySink
  void reply(uint64_t number, std::string_view encoded) override;
  bool takes_replies() const override;
  bool had_its_turn() const override;
  void note_work(const Work &work) override;
  bool is_gone() const override { return closed_; }

  // The memory that the store knows of.
  size_t accounted() const { return accounted_; }

  // At the end of a turn: executes what had to wait, and sends the replies that are due.
  void proceed();

  void close();

  // For Store::touch.
  bool touched = false;

 private:
  // The reply to a request that is being worked on, or that waits for those before it.
  struct Slot {
    bool done = false;
    size_t request_bytes = 0;  // that wait for the reply
    std::string text;
  };

  // Executes what has been received, until it is used up or something must wait.
  void execute_received();
  // False if the command must wait.
  bool execute(const Args &args);
  // Answers what belongs to a transaction; false for any other command.
  bool refuse_transaction(const Args &args);
  bool execute_on_region(const CommandSpec &spec, const Args &args);
  bool must_wait(const CommandSpec &spec, Peer &peer);
  uint64_t open_slot(size_t request_bytes);
  void give_memory_back();
  void reply_now(std::string_view encoded);
  void reply_error_now(std::string_view error);
  void touch();

  Socket socket_;
  Store &store_;
  const bool is_admin_;
  ClientInfo info_;
  StreamWriter<Socket> writer_;
  ReceiveBuffer received_;
  RequestParser parser_;
  asio::steady_timer resumed_;  // cancelled when a session that was held up may receive again

  std::deque<Slot> slots_;    // replies that are not in the writer yet
  uint64_t first_slot_ = 0;   // number of slots_.front()
  size_t pending_ = 0;        // slots that are not done
  size_t request_bytes_ = 0;  // of the requests that wait
  size_t reply_bytes_ = 0;    // of the replies in slots_
  size_t accounted_ = 0;
  TurnBudget budget_;
  bool pending_are_writes_ = false;
  bool in_refused_transaction_ = false;  // between MULTI and EXEC or DISCARD
  bool holds_command_ = false;           // parser_.args() is a command that must wait
  bool held_up_ = false;                 // nothing is executed or received until a later turn
  bool ending_ = false;                  // no more requests: close when all replies are sent
  bool closed_ = false;
  std::string scratch_;
};

}  // namespace kvd
