// SPDX-License-Identifier: Apache-2.0
// Who a store is, and what it knows of the others: records in its database.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvd {

constexpr size_t identity_bytes = 16;  // of a birth id and of a disk id

struct StoreIdentity {
  std::string cluster_id;
  uint64_t store_id = 0;
  // Of this directory, drawn at random when it was made. Empty: a version without it made it.
  std::string disk;
  // Of the cluster, drawn at random by its first store when it began. Empty: not part of one yet.
  std::string birth;

  std::string encode() const;
  static std::optional<StoreIdentity> decode(std::string_view bytes);
};

// What another store announced when it was first met, and since.
struct KnownStore {
  std::string disk;
  uint64_t entry_version = 0;  // the newest format of entries that it reads

  std::string encode() const;
  static std::optional<KnownStore> decode(std::string_view bytes);
  bool operator==(const KnownStore &) const = default;
};

// The birth id of a cluster that a version without birth ids began: the same on all of its stores,
// as it follows from what they were told.
std::string birth_of_old_cluster(std::string_view cluster_id, const std::vector<uint64_t> &voters);

}  // namespace kvd
