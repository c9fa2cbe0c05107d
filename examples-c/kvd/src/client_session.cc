// SPDX-License-Identifier: Apache-2.0
#include "client_session.h"

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <cinttypes>

#include "log.h"
#include "store.h"

namespace kvd {
namespace {

constexpr size_t read_bytes = 16 << 10;
// Beyond these a client is not read from until it has taken its replies.
constexpr size_t max_unsent_bytes = 1 << 20;
constexpr size_t max_open_slots = 4096;
// Beyond this, what a client has asked for must be answered before it may ask for more.
constexpr size_t max_request_bytes_under_way = 1 << 20;
// Beyond this, what is collected for a Region must be on its way before more is added.
constexpr size_t max_collected_bytes = 16 << 20;

RequestLimits request_limits(const Config &config) {
  RequestLimits limits;
  limits.max_bulk_bytes = config.max_request_bytes;
  limits.max_request_bytes = config.max_request_bytes;
  return limits;
}

}  // namespace

ClientSession::ClientSession(Socket socket, Store &store, uint64_t id, bool is_admin)
    : socket_(std::move(socket)),
      store_(store),
      is_admin_(is_admin),
      info_{id, "", false},
      writer_(socket_),
      parser_(request_limits(store.config())),
      resumed_(socket_.get_executor(), asio::steady_timer::time_point::max()) {
  writer_.on_error([this] { close(); });
  writer_.on_drained([this] { touch(); });
}

asio::awaitable<void> ClientSession::run() {
  const auto self = shared_from_this();
  std::error_code problem;
  while (!closed_ && !ending_) {
    if (held_up_) {
      co_await resumed_.async_wait(asio::redirect_error(asio::use_awaitable, problem));
      continue;
    }
    const size_t queued = received_.view().size();
    const size_t expected = parser_.bytes_expected();
    const size_t wanted = expected > queued ? expected - queued : 0;
    // A size that a client claims is not made room for at once: memory follows what really comes.
    const auto room =
        received_.prepare(std::clamp(wanted, read_bytes, std::max(read_bytes, queued)));
    const size_t got =
        co_await socket_.async_read_some(room, asio::redirect_error(asio::use_awaitable, problem));
    received_.commit(got);
    if (problem) {
      // A client may close its side and still read the replies to what it sent.
      ending_ = true;
    } else {
      execute_received();
    }
    touch();
  }
}

void ClientSession::touch() {
  if (!closed_ && !touched) store_.touch(shared_from_this());
}

void ClientSession::execute_received() {
  held_up_ = false;
  while (!ending_) {
    if (slots_.size() >= max_open_slots || !takes_replies() ||
        request_bytes_ + reply_bytes_ >= max_request_bytes_under_way) {
      held_up_ = true;
      return;
    }
    if (had_its_turn()) {
      held_up_ = true;
      store_.touch_next_turn(shared_from_this());
      return;
    }
    if (!holds_command_) {
      switch (parser_.parse(received_.view())) {
        case RequestParser::Status::complete: break;
        case RequestParser::Status::incomplete: return;
        case RequestParser::Status::error:
          reply_error_now(parser_.error());
          ending_ = true;
          return;
      }
    }
    holds_command_ = !execute(parser_.args());
    if (holds_command_) {
      held_up_ = true;
      return;
    }
    note_work({parser_.args().size(), parser_.consumed()});
    received_.consume(parser_.consumed());
  }
}

// There are no transactions. What a client sends as a part of one must not be executed by itself:
// the client is told that all of it failed.
bool ClientSession::refuse_transaction(const Args &args) {
  const bool is_exec = equals_ignoring_case(args[0], "exec");
  const bool is_end = is_exec || equals_ignoring_case(args[0], "discard");
  if (equals_ignoring_case(args[0], "multi")) {
    in_refused_transaction_ = true;
    reply_error_now("ERR MULTI is not supported: nothing up to EXEC or DISCARD is executed");
  } else if (!in_refused_transaction_) {
    if (!is_end) return false;
    reply_error_now("ERR " + std::string(is_exec ? "EXEC" : "DISCARD") + " without MULTI");
  } else if (!is_end) {
    if (equals_ignoring_case(args[0], "quit")) return false;
    reply_error_now("ERR not executed: it stands behind a MULTI that was refused");
  } else {
    in_refused_transaction_ = false;
    reply_error_now("EXECABORT nothing of the transaction was executed: MULTI is not supported");
  }
  return true;
}

bool ClientSession::execute(const Args &args) {
  if (args.empty() || refuse_transaction(args)) return true;
  const CommandSpec *spec = find_command(args[0]);
  std::string error =
      spec == nullptr
          ? unknown_command_error(args)
          : check_arguments(*spec, args,
                            {store_.config().max_key_bytes, store_.config().max_value_bytes});
  if (!error.empty()) {
    // A browser that was lured into sending HTTP here: nothing of its body may be executed.
    const bool is_http =
        equals_ignoring_case(args[0], "post") || equals_ignoring_case(args[0], "host:");
    if (is_http) ending_ = true;
    reply_error_now(error);
    return true;
  }
  if (spec->kind != CommandKind::local && !execute_on_region(*spec, args)) return false;
  ++store_.commands_processed;
  if (spec->kind != CommandKind::local) return true;
  scratch_.clear();
  LocalCommand context{store_, info_};
  spec->run(context, args, scratch_);
  reply_now(scratch_);
  if (info_.quits) ending_ = true;
  return true;
}

bool ClientSession::must_wait(const CommandSpec &spec, Peer &peer) {
  const bool is_write = spec.kind == CommandKind::write;
  if (pending_ > 0 && pending_are_writes_ != is_write) return true;
  const size_t collected = is_write ? peer.writes().bytes().size() : peer.reads().collected_bytes();
  if (collected < max_collected_bytes) return false;
  store_.touch_after_submit(shared_from_this());
  return true;
}

bool ClientSession::execute_on_region(const CommandSpec &spec, const Args &args) {
  std::string error;
  uint16_t slot = 0;
  Peer *peer = store_.route(spec, args, info_.reads_anywhere, slot, error);
  if (peer == nullptr) {
    reply_error_now(error);
    return true;
  }
  if (must_wait(spec, *peer)) return false;
  const CommandLimits limits{store_.config().max_key_bytes, store_.config().max_value_bytes};
  const bool is_write = spec.kind == CommandKind::write;
  std::string &out = is_write ? peer->writes().begin() : peer->reads().begin();
  error = spec.encode(args, limits, out);
  if (!error.empty()) {
    is_write ? peer->writes().cancel() : peer->reads().cancel();
    reply_error_now(error);
    return true;
  }
  pending_are_writes_ = is_write;
  ++pending_;
  Waiter waiter{shared_from_this(), open_slot(parser_.consumed()), slot};
  is_write ? peer->writes().commit(std::move(waiter)) : peer->reads().commit(std::move(waiter));
  return true;
}

uint64_t ClientSession::open_slot(size_t request_bytes) {
  slots_.emplace_back();
  slots_.back().request_bytes = request_bytes;
  request_bytes_ += request_bytes;
  return first_slot_ + slots_.size() - 1;
}

void ClientSession::reply_now(std::string_view encoded) {
  if (slots_.empty()) {
    writer_.buffer().append(encoded);
  } else {
    slots_.push_back({true, 0, std::string(encoded)});
    reply_bytes_ += encoded.size();
  }
}

void ClientSession::reply_error_now(std::string_view error) {
  std::string encoded;
  append_error(encoded, error);
  reply_now(encoded);
}

void ClientSession::reply(uint64_t number, std::string_view encoded) {
  --pending_;
  if (closed_) return;
  touch();
  Slot &slot = slots_[number - first_slot_];
  request_bytes_ -= slot.request_bytes;
  if (number != first_slot_) {
    slot.text.assign(encoded);
    slot.done = true;
    reply_bytes_ += encoded.size();
    return;
  }
  writer_.buffer().append(encoded);
  slots_.pop_front();
  ++first_slot_;
  while (!slots_.empty() && slots_.front().done) {
    writer_.buffer().append(slots_.front().text);
    reply_bytes_ -= slots_.front().text.size();
    slots_.pop_front();
    ++first_slot_;
  }
}

bool ClientSession::takes_replies() const {
  return writer_.queued() + reply_bytes_ < max_unsent_bytes;
}

bool ClientSession::had_its_turn() const { return !budget_.has_left(store_.turn_number()); }

void ClientSession::note_work(const Work &work) {
  store_.note_work(work, budget_.spend(store_.turn_number(), work));
}

void ClientSession::give_memory_back() {
  const size_t kept = idle_buffer_bytes(store_.clients());
  received_.shrink(kept);
  writer_.shrink(kept);
  const size_t now =
      closed_ ? 0 : received_.capacity() + writer_.capacity() + request_bytes_ + reply_bytes_;
  store_.account(accounted_, now);
  accounted_ = now;
}

void ClientSession::proceed() {
  if (closed_) return;
  if (held_up_) {
    // Replies that the socket takes at once are in nobody's way.
    if (!writer_.flush(shared_from_this())) return close();
    execute_received();
    if (!held_up_) resumed_.cancel();
  }
  if (!writer_.flush(shared_from_this())) return close();
  give_memory_back();
  if (ending_ && slots_.empty() && writer_.queued() == 0) close();
}

void ClientSession::close() {
  if (closed_) return;
  closed_ = true;
  std::error_code ignored;
  socket_.shutdown(Socket::shutdown_both, ignored);
  socket_.close(ignored);
  resumed_.cancel();
  give_memory_back();
  store_.forget(*this);
}

}  // namespace kvd
