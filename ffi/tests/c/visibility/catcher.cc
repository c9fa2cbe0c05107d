// SPDX-License-Identifier: Apache-2.0
#include <raftcore.hpp>

#include "shared.hpp"

int catch_error() {
  try {
    throw_error();
  } catch (const raftcore::Error &error) {
    return error.status();
  } catch (const std::exception &) {
    return 0;
  }
  return 0;
}
