// SPDX-License-Identifier: Apache-2.0
//
// What every test needs: checks, texts, memory.
#ifndef SUPPORT_H
#define SUPPORT_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raftcore.h"

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                                  \
    }                                                                           \
  } while (0)

// CHECK that a call answers what it should; says what it answered.
#define EXPECT(status, expected) expect_status((status), (expected), #status, __FILE__, __LINE__)
#define OK(status) EXPECT((status), RAFT_OK)

void expect_status(raft_status status, raft_status expected, const char *what, const char *file,
                   int line);

raft_slice text(const char *text);
void *room(void *old, size_t count, size_t size);  // realloc that does not fail
uint8_t *copy_of(raft_slice bytes);                // to be freed

#endif
