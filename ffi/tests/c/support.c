// SPDX-License-Identifier: Apache-2.0

#include "support.h"

void expect_status(raft_status status, raft_status expected, const char *what, const char *file,
                   int line) {
  if (status != expected) {
    fprintf(stderr, "%s:%d: %s is %d (%s), expected %d (%s)\n", file, line, what, (int)status,
            raft_status_message(status), (int)expected, raft_status_message(expected));
    exit(1);
  }
}

raft_slice text(const char *text) { return raft_slice_of(text, strlen(text)); }

void *room(void *old, size_t count, size_t size) {
  void *memory = realloc(old, count * size + 1);
  CHECK(memory != NULL);
  return memory;
}

uint8_t *copy_of(raft_slice bytes) {
  uint8_t *copy = room(NULL, bytes.len, 1);
  if (bytes.len > 0) {
    memcpy(copy, bytes.data, bytes.len);
  }
  return copy;
}
