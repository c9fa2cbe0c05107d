// SPDX-License-Identifier: Apache-2.0
#include "identity.h"

#include "bytes.h"
#include "sip_hash.h"

namespace kvd {

std::string StoreIdentity::encode() const {
  std::string bytes;
  put_string(bytes, cluster_id);
  put_varint(bytes, store_id);
  put_string(bytes, disk);
  put_string(bytes, birth);
  return bytes;
}

std::optional<StoreIdentity> StoreIdentity::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  const auto cluster = reader.string();
  const auto id = reader.varint();
  if (!cluster || !id) return std::nullopt;
  StoreIdentity identity{std::string(*cluster), *id, "", ""};
  if (reader.empty()) return identity;
  const auto disk = reader.string();
  const auto birth = reader.string();
  if (!disk || disk->size() != identity_bytes || !birth || !reader.empty()) return std::nullopt;
  if (!birth->empty() && birth->size() != identity_bytes) return std::nullopt;
  identity.disk.assign(*disk);
  identity.birth.assign(*birth);
  return identity;
}

std::string KnownStore::encode() const {
  std::string bytes;
  put_string(bytes, disk);
  put_varint(bytes, entry_version);
  return bytes;
}

std::optional<KnownStore> KnownStore::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  const auto disk = reader.string();
  const auto version = reader.varint();
  if (!disk || disk->size() != identity_bytes || !version || !reader.empty()) return std::nullopt;
  return KnownStore{std::string(*disk), *version};
}

std::string birth_of_old_cluster(std::string_view cluster_id, const std::vector<uint64_t> &voters) {
  std::string told;
  put_string(told, cluster_id);
  for (const uint64_t voter : voters) put_varint(told, voter);
  std::string birth;
  for (const uint64_t half : {1, 2}) put_big_endian(birth, sip_hash<2, 4>({half, 0}, told));
  return birth;
}

}  // namespace kvd
