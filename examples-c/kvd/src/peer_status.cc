// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "peer.h"

namespace kvd {
namespace {

const char *role_name(int32_t role) {
  switch (role) {
    case RAFT_ROLE_LEADER: return "leader";
    case RAFT_ROLE_CANDIDATE: return "candidate";
    case RAFT_ROLE_PRE_CANDIDATE: return "pre-candidate";
    default: return "follower";
  }
}

const char *progress_name(int32_t state) {
  switch (state) {
    case RAFT_PROGRESS_REPLICATE: return "replicate";
    case RAFT_PROGRESS_SNAPSHOT: return "snapshot";
    default: return "probe";
  }
}

void line(std::string &text, const std::string &name, const std::string &value) {
  text.append(name).append(":").append(value).append("\r\n");
}

void line(std::string &text, const std::string &name, uint64_t value) {
  line(text, name, std::to_string(value));
}

}  // namespace

bool Peer::is_active(uint64_t store_id) const {
  std::array<raft_progress, 64> members{};
  size_t count = 0;
  if (raft_node_progress(node_, members.data(), members.size(), &count) != RAFT_OK) return true;
  return std::any_of(members.begin(), members.begin() + static_cast<ptrdiff_t>(count),
                     [&](const raft_progress &one) { return one.id == store_id && one.is_active; });
}

std::string Peer::status_text() const {
  raft_node_status_info status{};
  status.struct_size = sizeof status;
  require(raft_node_status(node_, &status), "cannot read the status");
  std::string text;
  line(text, "id", status.id);
  line(text, "region", region_.id);
  line(text, "slots",
       std::to_string(region_.slots.first) + "-" + std::to_string(region_.slots.last));
  line(text, "role", role_name(status.role));
  line(text, "term", status.term);
  line(text, "vote", status.vote);
  line(text, "leader", status.leader);
  line(text, "commit", status.commit);
  line(text, "applied", status.applied);
  line(text, "first", status.first_index);
  line(text, "last", status.last_index);
  line(text, "pending_entries", pending_writes_.entries());
  line(text, "snapshot", snapshots_.state());
  line(text, "snapshot_bytes", snapshots_.bytes());
  line(text, "snapshot_limit", snapshots_.max_bytes());
  line(text, "snapshot_estimate", estimated_bytes_);
  line(text, "snapshot_retry_in", static_cast<uint64_t>(snapshots_.retry_in(Clock::now()).count()));
  line(text, "snapshot_refused_by", snapshot_refused_by_);
  std::string peers;
  for (const uint64_t voter : voters_) {
    peers.append(peers.empty() ? "" : ",").append(std::to_string(voter));
  }
  line(text, "peers", peers);
  std::array<raft_progress, 64> progress{};
  size_t count = 0;
  if (raft_node_progress(node_, progress.data(), progress.size(), &count) != RAFT_OK) return text;
  for (size_t i = 0; i < count; ++i) {
    const raft_progress &peer = progress[i];
    line(text, "peer_" + std::to_string(peer.id),
         std::string("state=") + progress_name(peer.state) +
             ",matched=" + std::to_string(peer.matched) + ",next=" + std::to_string(peer.next) +
             ",active=" + (peer.is_active ? "1" : "0"));
  }
  return text;
}

}  // namespace kvd
