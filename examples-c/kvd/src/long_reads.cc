// SPDX-License-Identifier: Apache-2.0
#include "long_reads.h"

#include <algorithm>

namespace kvd {

void LongReads::add(const std::shared_ptr<ReplySink> &client, Read read) {
  const auto known = std::find_if(clients_.begin(), clients_.end(),
                                  [&](const Client &one) { return one.sink == client; });
  if (known == clients_.end()) {
    clients_.push_back({client, {}});
    clients_.back().reads.push_back(std::move(read));
  } else {
    known->reads.push_back(std::move(read));
  }
}

void LongReads::go_on(bool has_memory) {
  // Whoever is gone needs no answer.
  std::erase_if(clients_, [](const Client &client) { return client.sink->is_gone(); });
  if (running_ || !has_memory) return;
  const auto next = std::find_if(clients_.begin(), clients_.end(),
                                 [](const Client &one) { return one.sink->takes_replies(); });
  if (next == clients_.end()) return;
  Client client = std::move(*next);
  clients_.erase(next);
  const Read read = std::move(client.reads.front());
  client.reads.pop_front();
  if (!client.reads.empty()) clients_.push_back(std::move(client));
  running_ = true;
  read([this] { running_ = false; });
}

size_t LongReads::waiting() const {
  size_t count = 0;
  for (const Client &client : clients_) count += client.reads.size();
  return count;
}

}  // namespace kvd
