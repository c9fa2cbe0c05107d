// SPDX-License-Identifier: Apache-2.0
#include "registry.h"

#include <algorithm>
#include <cinttypes>
#include <utility>

#include "log.h"
#include "random_bytes.h"
#include "write_command.h"

namespace kvd {
namespace {

constexpr uint64_t first_entry_version = 1;

std::string list(const std::vector<uint64_t> &ids) {
  std::string text;
  for (const uint64_t id : ids) text.append(text.empty() ? "" : ",").append(std::to_string(id));
  return text;
}

// The first bytes of an id, enough to tell two apart.
std::string short_id(const std::string &id) { return to_hex(id.substr(0, 4)); }

Verdict judge_waiting(const StoreFacts &own, uint64_t their_id, const StoreFacts &theirs) {
  if (own.members != theirs.members) {
    return {Admission::refuse, "it was told of the stores " + list(theirs.members) +
                                   ", and this one of " + list(own.members)};
  }
  if (theirs.birth.empty()) return {Admission::accept, ""};
  if (their_id == own.members.front()) return {Admission::begin, ""};
  return {Admission::wait,
          "the cluster's birth id comes from store " + std::to_string(own.members.front())};
}

}  // namespace

Verdict judge(const StoreFacts &own, uint64_t their_id, const StoreFacts &theirs,
              const std::optional<KnownStore> &known) {
  if (own.birth.empty()) return judge_waiting(own, their_id, theirs);
  if (!theirs.birth.empty() && theirs.birth != own.birth) {
    return {Admission::refuse, "it belongs to another cluster, " + short_id(theirs.birth) +
                                   ", and this store to " + short_id(own.birth)};
  }
  if (known && known->disk != theirs.disk) {
    return {Admission::refuse, "store " + std::to_string(their_id) +
                                   " came back with another disk: it lost its data, or its "
                                   "directory was exchanged; it must not come back under its id"};
  }
  if (theirs.birth.empty()) return {Admission::wait, "it is empty, and this cluster has begun"};
  return {Admission::accept, ""};
}

Registry::Registry(Engine &engine, const Config &config,
                   std::function<void(rocksdb::WriteBatch &)> stage, std::function<void()> begun)
    : engine_(engine),
      config_(config),
      stage_(std::move(stage)),
      begun_(std::move(begun)),
      known_(engine.known_stores()) {}

StoreFacts Registry::facts() const {
  StoreFacts facts;
  facts.birth = engine_.identity().birth;
  facts.disk = engine_.identity().disk;
  for (const Member &member : config_.members) facts.members.push_back(member.id);
  facts.entry_version = write_entry_version;
  facts.max_message_bytes = max_message_bytes(config_);
  return facts;
}

Verdict Registry::meet(uint64_t store_id, const StoreFacts &theirs) {
  const auto known = known_.find(store_id);
  const Verdict verdict =
      judge(facts(), store_id, theirs,
            known == known_.end() ? std::nullopt : std::optional<KnownStore>(known->second));
  const KnownStore store{theirs.disk, theirs.entry_version};
  if (verdict.admission == Admission::begin) {
    waiting_ = {{store_id, store}};
    begin(theirs.birth);
  } else if (verdict.admission == Admission::accept && is_member()) {
    remember(store_id, store);
  } else if (verdict.admission == Admission::accept) {
    waiting_[store_id] = store;
    const bool draws = config_.members.front().id == config_.id;
    if (draws && waiting_.size() + 1 == config_.members.size()) {
      begin(random_bytes(identity_bytes));
    }
  }
  return verdict;
}

void Registry::draw_disk_id() {
  StoreIdentity identity = engine_.identity();
  identity.disk = random_bytes(identity_bytes);
  rocksdb::WriteBatch batch;
  engine_.set_identity(identity, batch);
}

void Registry::begin_alone() {
  if (!is_member() && config_.members.size() == 1) begin(random_bytes(identity_bytes));
}

void Registry::begin(const std::string &birth) {
  known_ = std::exchange(waiting_, {});
  rocksdb::WriteBatch batch;
  for (const auto &[id, store] : known_) {
    Engine::put_known_store(batch, engine_.raft(), id, store);
  }
  stage_(batch);
  StoreIdentity identity = engine_.identity();
  identity.birth = birth;
  engine_.set_identity(identity, batch);
  KVD_LOG(info, "a new cluster %s begins with the stores %s", short_id(birth).c_str(),
          list(facts().members).c_str());
  begun_();
}

void Registry::take_over_old_cluster(const std::vector<uint64_t> &voters) {
  StoreIdentity identity = engine_.identity();
  identity.birth = birth_of_old_cluster(identity.cluster_id, voters);
  identity.disk = random_bytes(identity_bytes);
  rocksdb::WriteBatch batch;
  engine_.set_identity(identity, batch);
  KVD_LOG(info, "this directory is of an older version; its cluster is %s from now on",
          short_id(identity.birth).c_str());
}

void Registry::remember(uint64_t store_id, const KnownStore &store) {
  const auto known = known_.find(store_id);
  if (known != known_.end() && known->second == store) return;
  known_[store_id] = store;
  rocksdb::WriteBatch batch;
  Engine::put_known_store(batch, engine_.raft(), store_id, store);
  engine_.write(batch, true);
}

uint64_t Registry::entry_version_of(const std::vector<uint64_t> &stores) const {
  uint64_t version = write_entry_version;
  for (const uint64_t id : stores) {
    if (id == config_.id) continue;
    const auto known = known_.find(id);
    version = std::min(version,
                       known == known_.end() ? first_entry_version : known->second.entry_version);
  }
  return version;
}

}  // namespace kvd
