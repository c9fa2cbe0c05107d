// SPDX-License-Identifier: Apache-2.0
#ifndef RAFTCORE_STORAGE_CHECK_HPP
#define RAFTCORE_STORAGE_CHECK_HPP

#include <cstdint>
#include <string>
#include <vector>

#include "storage.hpp"

namespace raftcore {

/// A Storage with all that check_storage() needs to try it: raft_checked_storage in raftcore.h.
/// Exceptions count as in Storage.
class CheckedStorage : public Storage {
 public:
  /// Starts over with a storage in which nothing was ever stored.
  virtual void reset() = 0;
  /// As Host::persist. The membership of a snapshot is to be stored with it.
  virtual void persist(const raft_persist &what) = 0;
  /// Forgets the log up to and including `index`, which is committed and applied.
  virtual void compact(std::uint64_t index) = 0;
  /// `how` is RAFT_REOPEN_CLOSED or RAFT_REOPEN_CRASHED. False: there is no such way.
  virtual bool reopen(std::int32_t how) {
    static_cast<void>(how);
    return false;
  }
  /// From now on, until called with false, nothing can be read or written. False: there is no such way.
  virtual bool set_failing(bool failing) {
    static_cast<void>(failing);
    return false;
  }
};

/// What check_storage() found of one rule: raft_storage_finding in raftcore.h.
struct Finding {
  std::string rule;                        ///< The rule's name.
  std::string demand;                      ///< What it demands, in a sentence.
  std::int32_t outcome = RAFT_RULE_KEPT;   ///< Or RAFT_RULE_BROKEN, or RAFT_RULE_NOT_CHECKED.
  std::string expected;                    ///< If broken: what was expected, where it was first not met.
  std::string got;                         ///< If broken: what came. If not checked: why not.
};

namespace detail {

// A CheckedStorage is handed over as the Storage that it is, for both tables.
inline CheckedStorage &checked(void *context) noexcept {
  return static_cast<CheckedStorage &>(storage(context));
}

// Of a way that a storage need not offer.
template <typename Way>
raft_status offered(Way &&way) noexcept {
  bool is = true;
  const raft_status status = guard([&] { is = way(); });
  return is ? status : RAFT_ERR_UNAVAILABLE;
}

}  // namespace detail

/// Tries a storage against the contract of raft_storage; what it holds is lost. One finding a rule,
/// the basic ones first.
inline std::vector<Finding> check_storage(CheckedStorage &storage) {
  raft_storage reads = detail::storage_table(&storage);
  reads.release = nullptr;
  raft_checked_storage table{};
  table.struct_size = sizeof table;
  table.context = static_cast<Storage *>(&storage);
  table.storage = &reads;
  table.reset = [](void *self) noexcept {
    return detail::guard([&] { detail::checked(self).reset(); });
  };
  table.persist = [](void *self, const raft_persist *what) noexcept {
    return detail::guard([&] { detail::checked(self).persist(*what); });
  };
  table.compact = [](void *self, std::uint64_t index) noexcept {
    return detail::guard([&] { detail::checked(self).compact(index); });
  };
  table.reopen = [](void *self, std::int32_t how) noexcept {
    return detail::offered([&] { return detail::checked(self).reopen(how); });
  };
  table.set_failing = [](void *self, bool failing) noexcept {
    return detail::offered([&] { return detail::checked(self).set_failing(failing); });
  };
  std::vector<Finding> findings;
  const auto note = [](void *context, const raft_storage_finding *found) noexcept {
    detail::guard([&] {
      static_cast<std::vector<Finding> *>(context)->push_back(
          {found->rule, found->demand, found->outcome, found->expected, found->got});
    });
  };
  const raft_status status = raft_storage_check(&table, note, &findings);
  if (status != RAFT_ERR_STORAGE) check(status);
  return findings;
}

}  // namespace raftcore

#endif  // RAFTCORE_STORAGE_CHECK_HPP
