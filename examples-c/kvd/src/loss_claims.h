// SPDX-License-Identifier: Apache-2.0
// When a store believes that it lost data.
#pragma once

#include <cstdint>

#include "transport.h"

namespace kvd {

// A leader that says that this store acknowledged what it does not have is right, or it is none:
// one message is not believed, as the store ends for good. The connection is closed, and the claim
// has to come again, over new connections of the same store, without a heartbeat in between that
// fits.
class LossClaims {
 public:
  // Notes a claim; true if it is to be believed.
  bool note(const MessageOrigin &from) {
    if (from.store_id != store_id_) *this = LossClaims();
    store_id_ = from.store_id;
    if (claims_ > 0 && from.connection == connection_) return false;
    connection_ = from.connection;
    return ++claims_ >= needed;
  }
  // A heartbeat of this store was in order.
  void clear(uint64_t store_id) {
    if (store_id == store_id_) claims_ = 0;
  }

 private:
  static constexpr int needed = 3;

  uint64_t store_id_ = 0;
  uint64_t connection_ = 0;
  int claims_ = 0;
};

}  // namespace kvd
