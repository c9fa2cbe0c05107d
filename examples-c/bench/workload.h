// SPDX-License-Identifier: Apache-2.0
//
// What is proposed, and how it is recognised when it is applied. The same workload as that of the
// program in bench/ (Rust), which runs this one.
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct workload {
  uint64_t nodes;      // members of the group
  uint64_t batch;      // proposals between two turns of the host's loop
  uint64_t payload;    // bytes of a payload
  uint64_t proposals;  // of the measurement
  bool cpu_time;       // measure processor time
  bool json;           // one line of JSON instead of text
  bool corrupt;        // damage what node 2 applies, to see that it is noticed
} workload;

// The sequence that a node has applied so far.
typedef struct sequence {
  uint64_t hash;
  uint64_t count;  // payloads
  uint64_t index;  // of the last entry, payload or not
} sequence;

// Reads the command line; explains itself and exits if that cannot be done, or --help is asked for.
workload workload_from_args(int argc, char **argv);

// Writes `count` payloads of `len` bytes each into `out`. Each begins with its number, `first` and
// on; the rest follows from it.
void payloads_make(unsigned char *out, uint64_t first, uint64_t count, uint64_t len);

// Adds a payload: its length, its first and its last eight bytes. Empty ones (a term starts with
// one) leave no trace.
void sequence_add(sequence *self, const void *payload, size_t len);

// Seconds on the workload's clock.
double seconds(const workload *work);

#endif
