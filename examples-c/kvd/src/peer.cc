// SPDX-License-Identifier: Apache-2.0
#include "peer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cinttypes>
#include <random>

#include "log.h"
#include "message_check.h"
#include "raft_view.h"
#include "resp.h"
#include "state_machine.h"
#include "write_command.h"

namespace kvd {
namespace {

void reply_error(const std::vector<Waiter> &waiters, std::string_view error) {
  if (waiters.empty()) return;
  std::string encoded;
  append_error(encoded, error);
  for (const Waiter &waiter : waiters) waiter.reply(encoded);
}

// When the changes in memory take more than this, they are carried to the database.
constexpr size_t max_recent_bytes = 32 << 20;
// Beyond this many bytes that wait for a majority, writes are refused.
constexpr uint64_t max_uncommitted_bytes = 256 << 20;
constexpr uint64_t max_applied_bytes = 8 << 20;
constexpr auto size_watch_interval = std::chrono::seconds(5);

raft_config node_config(const Config &config, uint64_t applied) {
  raft_config node{};
  const raft_status status = raft_config_init(&node, sizeof node, config.id);
  if (status != RAFT_OK)
    fatal("the Raft library is of another version: %s", raft_status_message(status));
  node.seed = std::random_device()();
  node.applied = applied;
  node.election_ticks = config.election_ticks;
  node.heartbeat_ticks = config.heartbeat_ticks;
  node.pre_vote = config.pre_vote;
  node.check_quorum = config.check_quorum;
  // Clients are sent to the leader; a forwarded proposal could not be matched to its answer.
  node.forward_proposals = false;
  node.max_uncommitted_bytes = max_uncommitted_bytes;
  // What is applied in a turn of the loop.
  node.max_committed_bytes_per_ready = max_applied_bytes;
  return node;
}

constexpr const char *superseded_error =
    "TRYAGAIN the write was not applied: another leader's entry took its place";
constexpr const char *unknown_error =
    "UNKNOWN it is not known whether the write was applied or will be";

}  // namespace

Peer::Peer(const StoreParts &parts, const Region &region)
    : parts_(parts),
      region_(region),
      snapshots_(parts.engine, parts.background, region.id, region.slots,
                 parts.config.max_snapshot_bytes),
      storage_(parts.engine, snapshots_, region.id),
      witness_(parts.engine.directory(), parts.config.id, region.id),
      keys_(parts.engine),
      checkpoints_(parts.engine, parts.checkpoints, region.id, keys_,
                   [this](uint64_t index) { storage_.note_durable(index); }) {
  check_witness();
  note_voters();
  const raft_config config = node_config(parts.config, storage_.applied_index());
  const raft_storage callbacks = storage_.callbacks();
  const raft_status status = raft_node_new(&config, &callbacks, &node_);
  if (status != RAFT_OK) {
    fatal("region %" PRIu64 " cannot start: %s", region_.id, raft_status_message(status));
  }
  KVD_LOG(info, "region %" PRIu64 " starts: log %" PRIu64 " to %" PRIu64 ", applied %" PRIu64,
          region_.id, storage_.first_index(), storage_.last_index(), storage_.applied_index());
}

Peer::~Peer() {
  raft_node_free(node_);
  raft_ready_free(ready_);
}

// A log that lacks what it had must not vote: it may have voted otherwise, and acknowledged more.
void Peer::check_witness() {
  const auto &seen = witness_.record();
  if (!seen && !parts_.witness_may_lack) {
    fatal("region %" PRIu64
          ": the witness of its log is gone from %s: it is not known whether the "
          "log is whole",
          region_.id, parts_.engine.directory().c_str());
  }
  const std::string lost = seen ? lost_since(*seen, storage_.position()) : "";
  if (!lost.empty()) {
    fatal("region %" PRIu64
          ": this store lost data that it had acknowledged: %s. It must not come "
          "back under its id.",
          region_.id, lost.c_str());
  }
  witness_.write(storage_.position());
  term_ = storage_.position().term;
}

void Peer::note_voters() {
  raft_conf_state_buffer *buffer = nullptr;
  raft_conf_state members{};
  if (raft_conf_state_decode(raft_view(storage_.apply_state().conf_state), &buffer) != RAFT_OK ||
      raft_conf_state_buffer_view(buffer, &members) != RAFT_OK) {
    fatal("region %" PRIu64 ": its stored membership cannot be read", region_.id);
  }
  voters_.assign(members.voters, members.voters + members.voters_len);
  std::sort(voters_.begin(), voters_.end());
  raft_conf_state_buffer_free(buffer);
}

std::string Peer::last_error() const {
  std::array<char, 512> text{};
  size_t needed = 0;
  if (raft_node_last_error(node_, text.data(), text.size(), &needed) != RAFT_OK) return "";
  return text.data();
}

void Peer::require(raft_status status, const char *what) const {
  if (status == RAFT_OK) return;
  if (status == RAFT_ERR_STORAGE) {
    // The node stays usable and asks again.
    KVD_LOG(error, "region %" PRIu64 ": %s: %s", region_.id, what, last_error().c_str());
    return;
  }
  fatal("region %" PRIu64 ": %s: %s (%s)", region_.id, what, raft_status_message(status),
        last_error().c_str());
}

std::string Peer::redirect_error(uint16_t slot) const {
  const Member *leader = parts_.config.member(leader_);
  if (leader == nullptr || leader_ == parts_.config.id) {
    return "CLUSTERDOWN the slot has no leader at the moment";
  }
  return "MOVED " + std::to_string(slot) + " " + leader->client.text();
}

void Peer::submit() {
  if (!collected_writes_.empty()) propose_collected();
  if (reads_.has_collected()) ask_for_collected_reads();
}

void Peer::propose_collected() {
  std::vector<raft_slice> payloads;
  const std::string_view bytes = collected_writes_.bytes();
  for (const ProposalBatch::Entry &entry : collected_writes_.entries()) {
    payloads.push_back(raft_view(bytes.substr(entry.begin, entry.end - entry.begin)));
  }
  raft_entry_id first{};
  // What some member cannot read must not be in the log: it would end there, at every start.
  if (is_leader() && parts_.registry.entry_version_of(voters_) < write_entry_version) {
    for (const ProposalBatch::Entry &entry : collected_writes_.entries()) {
      reply_error(entry.waiters, "TRYAGAIN a member cannot read what this store would write");
    }
    collected_writes_.clear();
    return;
  }
  const raft_status status = raft_propose_batch(node_, payloads.data(), payloads.size(), &first);
  if (status == RAFT_OK) {
    const auto deadline =
        Clock::now() + std::chrono::milliseconds(parts_.config.request_timeout_ms);
    uint64_t index = first.index;
    for (ProposalBatch::Entry &entry : collected_writes_.entries()) {
      pending_writes_.add(first.term, index++, std::move(entry.waiters), deadline);
    }
  } else {
    require(status == RAFT_ERR_PROPOSAL_DROPPED ? RAFT_OK : status, "cannot propose");
    const std::string error =
        is_leader() ? "TRYAGAIN the write was not taken: " + last_error() : "";
    for (const ProposalBatch::Entry &entry : collected_writes_.entries()) {
      error.empty() ? redirect(entry.waiters) : reply_error(entry.waiters, error);
    }
  }
  collected_writes_.clear();
}

bool Peer::has_ready() const { return ready_ == nullptr && raft_has_ready(node_); }

void Peer::begin() {
  require(raft_ready(node_, &ready_), "cannot take the next work");
  if (ready_ == nullptr) return;
  note_state(*ready_);
  if (is_leader() && ready_->entries_len > 0) {
    disk_.sent(ready_->entries[ready_->entries_len - 1].index, Clock::now());
  }
  send(*ready_, false);
}

void Peer::stage(rocksdb::WriteBatch &batch, bool &sync) {
  if (ready_ == nullptr) return;
  // A commit index alone is no reason to write, and to wait for that.
  if (ready_->must_sync) {
    storage_.stage_ready(*ready_, batch);
  } else {
    storage_.remember_commit(*ready_);
  }
  if (ready_->snapshot != nullptr) install(*ready_->snapshot, batch);
  compact(batch);
  sync = sync || ready_->must_sync;
}

void Peer::apply() {
  if (ready_ == nullptr) return;
  apply_committed(*ready_);
  for (size_t i = 0; i < ready_->read_states_len; ++i) {
    const std::string_view context = view_of(ready_->read_states[i].context);
    if (context.size() != sizeof(uint64_t)) continue;
    reads_.confirmed(get_big_endian<uint64_t>(context.data()), ready_->read_states[i].index);
  }
}

void Peer::finish() {
  if (ready_ == nullptr) return;
  storage_.finish();
  send(*ready_, true);
  require(raft_advance(node_, ready_), "cannot hand work back");
  ready_ = nullptr;
  for (const auto &action : std::exchange(after_storing_, {})) action();
  serve_reads();
  checkpoint_if_due();
}

void Peer::note_state(const raft_ready_view &ready) {
  if (ready.has_hard_state) term_ = ready.hard_state.term;
  if (!ready.has_soft_state) return;
  const bool led = is_leader();
  role_ = ready.soft_state.role;
  leader_ = ready.soft_state.leader;
  disk_.forget();
  if (is_leader()) {
    KVD_LOG(info, "region %" PRIu64 " became leader at term %" PRIu64, region_.id, term_);
  } else if (leader_ != 0) {
    KVD_LOG(info, "region %" PRIu64 " follows store %" PRIu64 " at term %" PRIu64, region_.id,
            leader_, term_);
  } else {
    KVD_LOG(info, "region %" PRIu64 " has no leader at term %" PRIu64 "%s", region_.id, term_,
            role_ == RAFT_ROLE_PRE_CANDIDATE ? ", asks for support"
            : role_ == RAFT_ROLE_CANDIDATE   ? ", campaigns"
                                             : "");
  }
  if (!led || is_leader()) return;
  // Reads can be asked again elsewhere. Writes stay: they may yet be committed.
  for (const ReadQueue::Batch &batch : reads_.take_unconfirmed()) redirect(batch);
}

void Peer::send(const raft_ready_view &ready, bool after_write) {
  for (size_t i = 0; i < ready.messages_len; ++i) {
    const raft_message &message = ready.messages[i];
    if (message.requires_persistence != after_write) continue;
    parts_.transport.send(message.to, region_.id, message.type == RAFT_MESSAGE_SNAPSHOT,
                          view_of(message.bytes));
  }
}

// Log and keys must be replaced together, so both go through the write-ahead log; and at once, as
// what is applied from here on reads what the snapshot put there.
void Peer::install(const raft_snapshot &snapshot, rocksdb::WriteBatch &batch) {
  if (snapshot.index <= storage_.applied_index()) return;
  install_snapshot(view_of(snapshot.data), region_.slots, parts_.engine, batch);
  storage_.stage_applied(snapshot.index, snapshot.term);
  storage_.stage_apply_state(batch);
  // What was applied before must not come on top of it.
  checkpoints_.abandon();
  keys_.forget();
  witness_.before_write(storage_.staged_position());
  parts_.engine.write(batch, true);
  witness_.after_write(storage_.staged_position());
  batch.Clear();
  log_bytes_ = 0;
  reply_error(pending_writes_.covered_by_snapshot(snapshot.index), unknown_error);
  KVD_LOG(info, "region %" PRIu64 " installs a snapshot at index %" PRIu64 ", %zu bytes",
          region_.id, snapshot.index, snapshot.data.len);
}

void Peer::apply_committed(const raft_ready_view &ready) {
  if (ready.committed_entries_len == 0) return;
  for (size_t i = 0; i < ready.committed_entries_len; ++i) apply(ready.committed_entries[i]);
  const raft_entry &last = ready.committed_entries[ready.committed_entries_len - 1];
  storage_.stage_applied(last.index, last.term);
}

void Peer::apply(const raft_entry &entry) {
  std::vector<Waiter> superseded;
  const auto waiters = pending_writes_.applied(entry.term, entry.index, superseded);
  reply_error(superseded, superseded_error);
  log_bytes_ += entry.data.len;
  if (entry.kind != RAFT_ENTRY_NORMAL) {
    apply_membership_change(entry);
    return;
  }
  const bool well_formed = apply_entry(view_of(entry.data), region_.slots, keys_,
                                       [&](size_t position, std::string_view reply) {
                                         if (position < waiters.size())
                                           waiters[position].reply(reply);
                                       });
  if (!well_formed) {
    KVD_LOG(error, "region %" PRIu64 ": entry %" PRIu64 " is malformed, its rest is skipped",
            region_.id, entry.index);
  }
}

void Peer::apply_membership_change(const raft_entry &entry) {
  raft_conf_state_buffer *membership = nullptr;
  const raft_status status = raft_apply_conf_change(node_, &entry, &membership);
  if (status == RAFT_ERR_CONF_CHANGE || status == RAFT_ERR_DECODE) {
    KVD_LOG(warn, "region %" PRIu64 ": entry %" PRIu64 " changes no membership: %s", region_.id,
            entry.index, last_error().c_str());
    return;
  }
  require(status, "cannot apply a membership change");
  raft_slice encoded{};
  require(raft_conf_state_buffer_encoded(membership, &encoded), "cannot encode the membership");
  storage_.stage_conf_state(view_of(encoded));
  raft_conf_state_buffer_free(membership);
}

// Where to cut the log if it has grown enough, so that a tail stays for followers that are a little
// behind; otherwise 0.
uint64_t Peer::log_end_to_drop() const {
  const uint64_t applied = storage_.applied_index();
  if (applied < storage_.first_index()) return 0;
  const uint64_t kept = applied - storage_.first_index() + 1;
  if (kept <= parts_.config.compact_after && log_bytes_ <= parts_.config.compact_after_bytes) {
    return 0;
  }
  return applied - std::min(kept, parts_.config.compact_after) / 2;
}

// Cuts the log, as far as what it did is durable.
void Peer::compact(rocksdb::WriteBatch &batch) {
  const uint64_t first = storage_.first_index();
  const uint64_t up_to = std::min(log_end_to_drop(), storage_.durable_index());
  if (up_to < first) return;
  const uint64_t kept = storage_.applied_index() - first + 1;
  log_bytes_ -=
      static_cast<uint64_t>(static_cast<double>(log_bytes_) *
                            static_cast<double>(up_to - first + 1) / static_cast<double>(kept));
  storage_.stage_compaction(up_to, batch);
  KVD_LOG(debug, "region %" PRIu64 " drops its log up to %" PRIu64, region_.id, up_to);
}

// Everything that is applied is in the durable log here: between finish() and the next begin().
void Peer::checkpoint_if_due() {
  if (checkpoints_.running()) return;
  if (keys_.recent_bytes() <= max_recent_bytes && log_end_to_drop() <= storage_.durable_index()) {
    return;
  }
  checkpoints_.start(storage_.apply_state());
}

void Peer::tick() {
  require(raft_tick(node_), "cannot tick");
  if (is_leader()) hand_over_if_slow();
  ask_again_for_reads();
}

void Peer::hand_over_if_slow() {
  const auto now = Clock::now();
  const auto own = disk_.own_sync(now);
  const uint64_t to =
      handover_rule_.decide(now, faster_store(own, disk_.followers(now), voters_.size()));
  if (to == 0) return;
  KVD_LOG(warn,
          "region %" PRIu64
          ": this disk takes %lld ms for a sync, those of the others are faster: "
          "handing over to store %" PRIu64,
          region_.id, static_cast<long long>(own / std::chrono::milliseconds(1)), to);
  const std::string error = transfer_leader(to);
  if (!error.empty()) KVD_LOG(warn, "region %" PRIu64 ": %s", region_.id, error.c_str());
}

bool Peer::hand_over() {
  if (!is_leader()) return false;
  std::array<raft_progress, 64> members{};
  size_t count = 0;
  if (raft_node_progress(node_, members.data(), members.size(), &count) != RAFT_OK) return false;
  const raft_progress *furthest = nullptr;
  for (size_t i = 0; i < count; ++i) {
    const raft_progress &member = members[i];
    if (member.id == parts_.config.id || member.is_learner || !member.is_active ||
        !parts_.transport.connected(member.id)) {
      continue;
    }
    if (furthest == nullptr || member.matched > furthest->matched) furthest = &member;
  }
  return furthest != nullptr && transfer_leader(furthest->id).empty();
}

void Peer::expire() {
  const auto now = Clock::now();
  snapshots_.expire(now);
  watch_size(now);
  reply_error(pending_writes_.expired(now), unknown_error);
  for (const ReadQueue::Batch &batch : reads_.take_expired(now)) {
    refuse_reads(batch, "TRYAGAIN the read was not confirmed in time");
  }
}

bool Peer::step(const MessageOrigin &from, std::string_view message) {
  MessageFields fields;
  const MessageRules rules{from.store_id, parts_.config.id, term_, &voters_, region_.slots};
  std::string problem = check_message(message, rules, fields);
  const raft_status status = problem.empty() ? raft_step(node_, raft_view(message)) : RAFT_OK;
  if (status == RAFT_ERR_DECODE || status == RAFT_ERR_INVALID_MESSAGE) problem = last_error();
  if (!problem.empty()) {
    if (bad_message_log_.passes()) {
      KVD_LOG(warn, "region %" PRIu64 ": bad message on the connection of store %" PRIu64 ": %s%s",
              region_.id, from.store_id, problem.c_str(), bad_message_log_.suffix());
    }
    return false;
  }
  if (status == RAFT_OK) {
    if (fields.type == RAFT_MESSAGE_HEARTBEAT) loss_claims_.clear(from.store_id);
    if (fields.type == RAFT_MESSAGE_APPEND_REPLY && !fields.reject && is_leader()) {
      disk_.acknowledged(from.store_id, fields.index, Clock::now());
    }
    return true;
  }
  if (status == RAFT_ERR_COMMIT_BEYOND_LOG || status == RAFT_ERR_COMMITTED_CONFLICT) {
    if (loss_claims_.note(from)) end_for_lost_data(from.store_id);
    return false;
  }
  if (status == RAFT_ERR_POISONED) require(status, "cannot take a message");
  complain();
  return true;
}

void Peer::end_for_lost_data(uint64_t leader) {
  const std::string reason = "region " + std::to_string(region_.id) +
                             ": this store lost data that it had acknowledged: to store " +
                             std::to_string(leader) + ", " + last_error() + ".";
  parts_.engine.give_up(reason);
  fatal("%s It must not come back under its id.", reason.c_str());
}

// A message that was refused comes again and again.
void Peer::complain() {
  if (!complaint_log_.passes()) return;
  KVD_LOG(debug, "region %" PRIu64 ": a message was not taken: %s%s", region_.id,
          last_error().c_str(), complaint_log_.suffix());
}

void Peer::report_unreachable(uint64_t store_id) {
  require(raft_report_unreachable(node_, store_id), "cannot report an unreachable store");
}

// A snapshot that has become too large is noticed when a store needs it, which is late.
void Peer::watch_size(Clock::time_point now) {
  if (now - size_watched_ < size_watch_interval) return;
  size_watched_ = now;
  parts_.background.run([&engine = parts_.engine] { return engine.estimated_bytes(); },
                        [this](uint64_t bytes) {
                          estimated_bytes_ = bytes;
                          const uint64_t limit = snapshots_.max_bytes();
                          if (bytes < limit / 5 * 4 || !size_log_.passes()) return;
                          KVD_LOG(warn,
                                  "region %" PRIu64 " has about %" PRIu64 " bytes: beyond %" PRIu64
                                  " (--max-snapshot-bytes) no store can be brought up to date",
                                  region_.id, bytes, limit);
                        });
}

void Peer::report_snapshot_too_large(uint64_t store_id, uint64_t limit) {
  KVD_LOG(error,
          "region %" PRIu64 ": store %" PRIu64 " takes no message of more than %" PRIu64
          " bytes, and the snapshot that it needs is larger (its --max-snapshot-bytes)",
          region_.id, store_id, limit);
  snapshot_refused_by_ = store_id;
  snapshots_.back_off(Clock::now());
  require(raft_report_snapshot(node_, store_id, false), "cannot report a snapshot");
}

void Peer::report_snapshot(uint64_t store_id, bool delivered) {
  if (delivered) snapshot_refused_by_ = 0;
  if (snapshot_log_.passes()) {
    KVD_LOG(info, "region %" PRIu64 ": snapshot to store %" PRIu64 " %s%s", region_.id, store_id,
            delivered ? "sent" : "lost", snapshot_log_.suffix());
  }
  require(raft_report_snapshot(node_, store_id, delivered), "cannot report a snapshot");
}

std::string Peer::transfer_leader(uint64_t to) {
  if (!is_leader()) return redirect_error(region_.slots.first);
  if (parts_.config.member(to) == nullptr) return "ERR no such store";
  // Writes are refused while the library waits for it.
  if (to != parts_.config.id && !parts_.transport.connected(to)) {
    return "ERR this store is not connected to store " + std::to_string(to);
  }
  const raft_status status = raft_transfer_leader(node_, to);
  return status == RAFT_OK ? "" : std::string("ERR ") + raft_status_message(status);
}

}  // namespace kvd
