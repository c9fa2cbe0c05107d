// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L

#include "workload.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char USAGE[] =
    "Usage: bench replicate [--nodes N] [--batch N] [--payload BYTES] [--proposals N]\n"
    "                       [--encode] [--clock wall|cpu] [--json]\n"
    "\n"
    "Proposals per second of a whole group in one thread, through raftcore's C interface.\n"
    "Messages are always encoded; --encode is accepted because other programs have it.\n"
    "\n"
    "  --nodes N        members of the group, 1 to 9 (3)\n"
    "  --batch N        proposals between two turns of the host's loop (64)\n"
    "  --payload BYTES  at least 8 (256)\n"
    "  --proposals N    of the measurement (400000)\n"
    "  --clock cpu      measure processor time instead of time as it passes\n"
    "  --json           one line of JSON instead of text\n"
    "  --corrupt        damage what node 2 applies, to see that it is noticed\n";

static void fail_usage(void) {
  fputs(USAGE, stderr);
  exit(2);
}

static uint64_t number(const char *text, uint64_t least, uint64_t most) {
  char *end;
  errno = 0;
  const unsigned long long value = strtoull(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value < least || value > most) {
    fprintf(stderr, "bench: %s is not a number from %llu to %llu\n", text, (unsigned long long)least,
            (unsigned long long)most);
    exit(2);
  }
  return value;
}

workload workload_from_args(int argc, char **argv) {
  static const struct option options[] = {
      {"nodes", required_argument, NULL, 'n'},     {"batch", required_argument, NULL, 'b'},
      {"payload", required_argument, NULL, 'p'},   {"proposals", required_argument, NULL, 'c'},
      {"encode", no_argument, NULL, 'e'},          {"clock", required_argument, NULL, 't'},
      {"json", no_argument, NULL, 'j'},            {"corrupt", no_argument, NULL, 'x'},
      {"help", no_argument, NULL, 'h'},            {NULL, 0, NULL, 0}};
  workload work = {.nodes = 3, .batch = 64, .payload = 256, .proposals = 400000};
  int option;
  while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
    switch (option) {
      case 'n': work.nodes = number(optarg, 1, 9); break;
      case 'b': work.batch = number(optarg, 1, 1 << 20); break;
      case 'p': work.payload = number(optarg, 8, 1 << 20); break;
      case 'c': work.proposals = number(optarg, 1, UINT64_MAX); break;
      case 'e': break;
      case 't':
        work.cpu_time = strcmp(optarg, "cpu") == 0;
        if (!work.cpu_time && strcmp(optarg, "wall") != 0) fail_usage();
        break;
      case 'j': work.json = true; break;
      case 'x': work.corrupt = true; break;
      case 'h': fputs(USAGE, stdout); exit(0);
      default: fail_usage();
    }
  }
  if (optind + 1 != argc || strcmp(argv[optind], "replicate") != 0) fail_usage();
  return work;
}

// The finaliser of SplitMix64.
static uint64_t mix(uint64_t number) {
  number += 0x9e3779b97f4a7c15u;
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9u;
  number = (number ^ (number >> 27)) * 0x94d049bb133111ebu;
  return number ^ (number >> 31);
}

void payloads_make(unsigned char *out, uint64_t first, uint64_t count, uint64_t len) {
  for (uint64_t i = 0; i < count; i++) {
    unsigned char *payload = out + i * len;
    uint64_t word = first + i;
    for (uint64_t at = 0; at < len; at += sizeof word) {
      const uint64_t room = len - at;
      memcpy(payload + at, &word, room < sizeof word ? room : sizeof word);
      word = mix(word);
    }
  }
}

static void fold(sequence *self, uint64_t word) {
  self->hash = (((self->hash << 5) | (self->hash >> 59)) ^ word) * 0x517cc1b727220a95u;
}

void sequence_add(sequence *self, const void *payload, size_t len) {
  const unsigned char *bytes = payload;
  uint64_t first, last;
  if (len < sizeof first) return;
  memcpy(&first, bytes, sizeof first);
  memcpy(&last, bytes + len - sizeof last, sizeof last);
  self->count++;
  fold(self, len);
  fold(self, first);
  fold(self, last);
}

double seconds(const workload *work) {
  struct timespec now;
  clock_gettime(work->cpu_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
