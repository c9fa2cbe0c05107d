// SPDX-License-Identifier: Apache-2.0
#include "random_bytes.h"

#include <sys/random.h>

#include "bytes.h"
#include "log.h"
#include "sip_hash.h"

namespace kvd {

std::string random_bytes(size_t count) {
  std::string bytes(count, '\0');
  // At most 256 bytes come whole, and not interrupted.
  if (count > 256 || getrandom(bytes.data(), count, 0) != static_cast<ssize_t>(count)) {
    fatal("the operating system gives no random bytes");
  }
  return bytes;
}

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    text.push_back(digits[static_cast<unsigned char>(byte) >> 4]);
    text.push_back(digits[static_cast<unsigned char>(byte) & 15]);
  }
  return text;
}

SipKey SipKey::random() {
  const std::string bytes = random_bytes(16);
  return {get_little_endian<uint64_t>(bytes.data()), get_little_endian<uint64_t>(bytes.data() + 8)};
}

}  // namespace kvd
