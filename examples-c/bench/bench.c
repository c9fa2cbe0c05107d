// SPDX-License-Identifier: Apache-2.0
//
// A Raft group in one thread, driven as fast as it goes: proposals are replicated to all nodes, in
// batches. Logs are in memory; messages are encoded by the sender and decoded by the receiver.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <raftcore.h>

#include "workload.h"

enum {
  MAX_NODES = 9,
  LAP = 4096,     // payloads that are made at a time, while the clock stands still
  KEPT = 1024,    // entries that stay in a node's log when it is compacted
  FIRST_INDEX = 1 // a group starts from a snapshot here
};

// Encoded messages on their way to a node, one after the other.
typedef struct inbox {
  unsigned char *bytes;
  size_t len, room;
  size_t *ends;  // where each message ends
  size_t messages, messages_room;
} inbox;

typedef struct server {
  raft_node *node;
  sequence applied;
  inbox waiting;    // what other nodes have sent
  inbox delivered;  // what is being handed to the node
} server;

static workload work;
static server servers[MAX_NODES];
static uint64_t messages_sent;

static void fail(const char *why) {
  fprintf(stderr, "bench: %s\n", why);
  exit(1);
}

static void check(raft_status status, raft_node *node) {
  if (status != RAFT_OK) {
    char detail[256] = "";
    raft_node_last_error(node, detail, sizeof detail, NULL);
    fprintf(stderr, "bench: %s: %s\n", raft_status_message(status), detail);
    exit(1);
  }
}

static void *grow(void *memory, size_t bytes) {
  void *more = realloc(memory, bytes);
  if (more == NULL) fail("out of memory");
  return more;
}

// ---- Messages ------------------------------------------------------------------------------------

static void inbox_put(inbox *box, raft_slice message) {
  if (box->len + message.len > box->room) {
    box->room = 2 * (box->len + message.len);
    box->bytes = grow(box->bytes, box->room);
  }
  if (box->messages == box->messages_room) {
    box->messages_room = 2 * box->messages_room + 16;
    box->ends = grow(box->ends, box->messages_room * sizeof *box->ends);
  }
  memcpy(box->bytes + box->len, message.data, message.len);
  box->len += message.len;
  box->ends[box->messages++] = box->len;
}

// What promises nothing may leave at once: the receiver gets it out of the sender's own view. The
// rest waits until it is stored.
static void send(const raft_message *message) {
  server *receiver = &servers[message->to - 1];
  if (message->requires_persistence || receiver->waiting.messages > 0) {
    inbox_put(&receiver->waiting, message->bytes);
  } else {
    check(raft_step(receiver->node, message->bytes), receiver->node);
  }
}

static void receive(server *self) {
  const inbox empty = self->delivered;
  self->delivered = self->waiting;
  self->waiting = empty;
  size_t start = 0;
  for (size_t i = 0; i < self->delivered.messages; i++) {
    const size_t end = self->delivered.ends[i];
    check(raft_step(self->node, raft_slice_of(self->delivered.bytes + start, end - start)), self->node);
    start = end;
  }
  self->delivered.len = self->delivered.messages = 0;
}

// ---- The host's loop -----------------------------------------------------------------------------

static void apply(server *self, const raft_entry *entry) {
  raft_slice data = entry->data;
  if (entry->index != self->applied.index + 1) fail("an entry was left out");
  if (work.corrupt && self == &servers[1] && data.len > 0) {
    data.data = (const uint8_t *)"damaged!";
    data.len = 8;
  }
  self->applied.index = entry->index;
  sequence_add(&self->applied, data.data, data.len);
}

// Does what the node wants done. False if there was nothing. (The log is in memory: raft_advance
// stores into it.)
static bool drive(server *self) {
  raft_ready_view *view;
  check(raft_ready(self->node, &view), self->node);
  if (view == NULL) return false;
  if (view->has_snapshot) fail("a snapshot was sent, but none is needed here");
  for (size_t i = 0; i < view->messages_len; i++) {
    send(&view->messages[i]);
  }
  messages_sent += view->messages_len;
  for (size_t i = 0; i < view->committed_entries_len; i++) {
    apply(self, &view->committed_entries[i]);
  }
  check(raft_advance(self->node, view), self->node);
  return true;
}

// Runs until there is nothing left to do.
static void settle(void) {
  bool worked = true;
  while (worked) {
    worked = false;
    for (uint64_t i = 0; i < work.nodes; i++) {
      receive(&servers[i]);
      while (drive(&servers[i])) {
        worked = true;
      }
    }
  }
}

static void start(void) {
  static const uint64_t ids[MAX_NODES] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  raft_conf_state members = {0};
  members.voters = ids;
  members.voters_len = work.nodes;
  for (uint64_t i = 0; i < work.nodes; i++) {
    raft_config config;
    check(raft_config_init(&config, sizeof config, ids[i]), NULL);
    check(raft_node_new_in_memory(&config, &members, &servers[i].node), NULL);
    servers[i].applied.index = FIRST_INDEX;
  }
  raft_node_status_info info = {.struct_size = sizeof info};
  check(raft_campaign(servers[0].node), servers[0].node);
  settle();
  check(raft_node_status(servers[0].node, &info), servers[0].node);
  if (info.role != RAFT_ROLE_LEADER) fail("the first node was not elected");
}

static void compact(void) {
  for (uint64_t i = 0; i < work.nodes; i++) {
    const uint64_t applied = servers[i].applied.index;
    if (applied > FIRST_INDEX + KEPT) {
      check(raft_memory_snapshot(servers[i].node, applied - KEPT, raft_slice_of(NULL, 0)), servers[i].node);
      check(raft_memory_compact(servers[i].node, applied - KEPT), servers[i].node);
    }
  }
}

// ---- The measurement -----------------------------------------------------------------------------

// Replicates `count` payloads of `bytes`, batch by batch.
static void replicate(const unsigned char *bytes, uint64_t count) {
  for (uint64_t done = 0; done < count;) {
    for (uint64_t in_batch = 0; in_batch < work.batch && done < count; in_batch++, done++) {
      const raft_slice payload = raft_slice_of(bytes + done * work.payload, work.payload);
      check(raft_propose(servers[0].node, payload, NULL), servers[0].node);
    }
    settle();
  }
  compact();
}

// Replicates `proposals` more payloads and checks that all nodes applied just these, in order. The
// answer is how long it took, the making of payloads not counted.
static double run(uint64_t proposals) {
  const uint64_t per_lap = work.batch * ((LAP + work.batch - 1) / work.batch);
  const uint64_t first = servers[0].applied.count;
  unsigned char *bytes = grow(NULL, per_lap * work.payload);
  sequence expected = servers[0].applied;
  double spent = 0;
  for (uint64_t done = 0; done < proposals; done += per_lap) {
    const uint64_t count = proposals - done < per_lap ? proposals - done : per_lap;
    payloads_make(bytes, first + done, count, work.payload);
    const double began = seconds(&work);
    replicate(bytes, count);
    spent += seconds(&work) - began;
    for (uint64_t i = 0; i < count; i++) {
      sequence_add(&expected, bytes + i * work.payload, work.payload);
    }
  }
  free(bytes);
  for (uint64_t i = 0; i < work.nodes; i++) {
    const sequence *applied = &servers[i].applied;
    if (applied->hash != expected.hash || applied->count != expected.count) {
      fprintf(stderr, "bench: wrong replication: node %" PRIu64 " applied %" PRIu64 " payloads of %" PRIu64
              "\n", i + 1, applied->count, expected.count);
      exit(1);
    }
  }
  return spent;
}

static void report(double rate, double messages) {
  if (work.json) {
    printf("{\"command\":\"replicate\",\"impl\":\"ffi\",\"nodes\":%" PRIu64 ",\"batch\":%" PRIu64
           ",\"payload\":%" PRIu64 ",\"encode\":true,\"proposals\":%" PRIu64
           ",\"proposals_per_second\":%.0f,\"messages_per_proposal\":%.4f,\"verified\":true}\n",
           work.nodes, work.batch, work.payload, work.proposals, rate, messages);
  } else {
    printf("%.0f proposals/s, %.3f messages per proposal\n", rate, messages);
  }
}

int main(int argc, char **argv) {
  work = workload_from_args(argc, argv);
  start();
  run(work.proposals < LAP ? work.proposals : LAP);  // fills caches and buffers
  messages_sent = 0;
  const double spent = run(work.proposals);
  report((double)work.proposals / spent, (double)messages_sent / (double)work.proposals);
  for (uint64_t i = 0; i < work.nodes; i++) {
    raft_node_free(servers[i].node);
    free(servers[i].waiting.bytes);
    free(servers[i].waiting.ends);
    free(servers[i].delivered.bytes);
    free(servers[i].delivered.ends);
  }
  return 0;
}
