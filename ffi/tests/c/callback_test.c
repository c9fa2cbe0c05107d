// SPDX-License-Identifier: Apache-2.0
//
// Callbacks that call back: from storage callbacks every call on the node is refused, from host
// callbacks all but raft_drive are served. Payloads that are lent are given back exactly once.

#include "disk.h"

// ---- Storage callbacks -------------------------------------------------------------------------------

typedef struct Meddler {
  Disk disk;
  raft_storage real;
  raft_node *node;
  int calls;
} Meddler;

static void meddle(Meddler *self) {
  char detail[64];
  raft_ready_view *view = NULL;
  raft_host host = {0};
  raft_node_status_info info = {0};
  if (self->node == NULL) {
    return;  // called by raft_node_new
  }
  self->calls++;
  info.struct_size = sizeof info;
  host.struct_size = sizeof host;
  EXPECT(raft_tick(self->node), RAFT_ERR_REENTRANT);
  EXPECT(raft_propose(self->node, text("x"), NULL), RAFT_ERR_REENTRANT);
  EXPECT(raft_ready(self->node, &view), RAFT_ERR_REENTRANT);
  EXPECT(raft_node_status(self->node, &info), RAFT_ERR_REENTRANT);
  EXPECT(raft_campaign(self->node), RAFT_ERR_REENTRANT);
  CHECK(!raft_has_ready(self->node));
  OK(raft_node_last_error(self->node, detail, sizeof detail, NULL));
  raft_node_free(self->node);  // ignored
}

static raft_status meddling_term(void *context, uint64_t index, uint64_t *out) {
  Meddler *self = context;
  meddle(self);
  return self->real.term(&self->disk, index, out);
}

static raft_status meddling_entries(void *context, uint64_t low, uint64_t high, uint64_t max_bytes,
                                    raft_entry_sink *out) {
  Meddler *self = context;
  meddle(self);
  return self->real.entries(&self->disk, low, high, max_bytes, out);
}

static raft_status meddling_first_index(void *context, uint64_t *index) {
  Meddler *self = context;
  meddle(self);
  return self->real.first_index(&self->disk, index);
}

static raft_status meddling_last_index(void *context, uint64_t *index) {
  Meddler *self = context;
  return self->real.last_index(&self->disk, index);
}

static raft_status meddling_initial_state(void *context, raft_hard_state *hard_state,
                                          raft_conf_state_sink *conf_state) {
  Meddler *self = context;
  return self->real.initial_state(&self->disk, hard_state, conf_state);
}

static raft_status meddling_snapshot(void *context, raft_snapshot_sink *out) {
  Meddler *self = context;
  meddle(self);
  return self->real.snapshot(&self->disk, out);
}

static void storage_callbacks_cannot_call_their_node(void) {
  static const uint64_t ids[] = {1};
  static Meddler self;
  raft_node *node = NULL;
  raft_config config;
  raft_storage storage;
  raft_ready_view *view = NULL;
  disk_format(&self.disk, ids, 1);
  self.real = disk_storage(&self.disk);
  storage = self.real;
  storage.context = &self;
  storage.release = NULL;
  storage.initial_state = meddling_initial_state;
  storage.entries = meddling_entries;
  storage.term = meddling_term;
  storage.first_index = meddling_first_index;
  storage.last_index = meddling_last_index;
  storage.snapshot = meddling_snapshot;
  OK(raft_config_init(&config, sizeof config, 1));
  config.log_cache_bytes = 0;  // so that the storage is asked
  OK(raft_node_new(&config, &storage, &node));
  self.node = node;
  OK(raft_campaign(node));
  OK(raft_ready(node, &view));
  while (view != NULL) {
    disk_store(&self.disk, view->entries, view->entries_len);
    if (view->has_hard_state) {
      self.disk.hard_state = view->hard_state;
    }
    OK(raft_advance(node, view));
    OK(raft_ready(node, &view));
  }
  raft_node_status_info info = {0};
  info.struct_size = sizeof info;
  OK(raft_node_status(node, &info));  // asks for first_index
  CHECK(info.role == RAFT_ROLE_LEADER && self.calls > 0);
  raft_node_free(node);
  disk_free(&self.disk);
}

// ---- Host callbacks ------------------------------------------------------------------------------------

typedef struct Caller {
  raft_node *node;
  raft_host host;
  uint64_t applied;
  bool proposed;
} Caller;

static void call_back(Caller *self) {
  bool worked = false;
  raft_ready_view *view = NULL;
  OK(raft_tick(self->node));
  EXPECT(raft_drive(self->node, &self->host, &worked), RAFT_ERR_REENTRANT);
  EXPECT(raft_ready(self->node, &view), RAFT_ERR_READY_OUTSTANDING);
  raft_node_free(self->node);  // ignored
}

static raft_status calling_send(void *context, const raft_message *messages, size_t len) {
  (void)messages;
  (void)len;
  call_back(context);
  return RAFT_OK;
}

static raft_status calling_persist(void *context, const raft_persist *what) {
  (void)what;
  call_back(context);
  return RAFT_OK;
}

static raft_status calling_apply(void *context, const raft_entry *entries, size_t len) {
  Caller *self = context;
  call_back(self);
  self->applied = entries[len - 1].index;
  if (!self->proposed) {
    raft_entry_id placed;
    OK(raft_propose(self->node, text("from a callback"), &placed));
    CHECK(placed.index == self->applied + 1);
    self->proposed = true;
    OK(raft_memory_snapshot(self->node, self->applied, text("state")));
    OK(raft_memory_compact(self->node, self->applied));
  }
  return RAFT_OK;
}

static void host_callbacks_may_call_their_node(void) {
  static const uint64_t ids[] = {1};
  Caller self = {0};
  raft_conf_state members = {0};
  raft_config config;
  bool worked = true;
  members.voters = ids;
  members.voters_len = 1;
  OK(raft_config_init(&config, sizeof config, 1));
  OK(raft_node_new_in_memory(&config, &members, &self.node));
  self.host.struct_size = sizeof self.host;
  self.host.context = &self;
  self.host.persist = calling_persist;
  self.host.send = calling_send;
  self.host.apply = calling_apply;
  OK(raft_campaign(self.node));
  while (worked) {
    OK(raft_drive(self.node, &self.host, &worked));
  }
  CHECK(self.applied == 3);  // the term's first entry, and the one that was proposed in a callback
  raft_node_free(self.node);
}

// ---- Payloads that are lent ----------------------------------------------------------------------------

typedef struct Loan {
  uint8_t *bytes;
  int released;
} Loan;

static void release_loan(void *context) {
  Loan *loan = context;
  loan->released++;
  free(loan->bytes);
  loan->bytes = NULL;
}

static raft_slice lend(Loan *loan, const char *words) {
  const size_t len = strlen(words);
  loan->released = 0;
  loan->bytes = malloc(len);
  CHECK(loan->bytes != NULL);
  memcpy(loan->bytes, words, len);
  return raft_slice_of(loan->bytes, len);
}

static raft_status forget_messages(void *context, const raft_message *messages, size_t len) {
  (void)context;
  (void)messages;
  (void)len;
  return RAFT_OK;
}

static raft_status check_applied(void *context, const raft_entry *entries, size_t len) {
  const Loan *loan = context;
  for (size_t i = 0; i < len; i++) {
    if (entries[i].data.len > 0) {
      CHECK(entries[i].data.data == loan->bytes);  // not copied
    }
  }
  return RAFT_OK;
}

static void loans_are_given_back_exactly_once(void) {
  static const uint64_t ids[] = {1};
  raft_conf_state members = {0};
  raft_config config;
  raft_node *node = NULL;
  raft_host host = {0};
  raft_entry_id placed = {0, 0};
  Loan loan;
  bool worked = true;
  // On every error, before the call returns.
  EXPECT(raft_propose_owned(NULL, lend(&loan, "x"), release_loan, &loan, &placed),
         RAFT_ERR_INVALID_ARGUMENT);
  CHECK(loan.released == 1);
  members.voters = ids;
  members.voters_len = 1;
  OK(raft_config_init(&config, sizeof config, 1));
  OK(raft_node_new_in_memory(&config, &members, &node));
  EXPECT(raft_propose_owned(node, lend(&loan, "no leader"), release_loan, &loan, &placed),
         RAFT_ERR_PROPOSAL_DROPPED);
  CHECK(loan.released == 1);
  raft_slice bad = lend(&loan, "x");
  bad.data = NULL;
  EXPECT(raft_propose_owned(node, bad, release_loan, &loan, &placed), RAFT_ERR_INVALID_ARGUMENT);
  CHECK(loan.released == 1);
  EXPECT(raft_propose_owned(node, text("x"), NULL, &loan, &placed), RAFT_ERR_INVALID_ARGUMENT);
  CHECK(loan.released == 1 && placed.index == 0);
  // On success, when the last user is gone: here the node's own log.
  host.struct_size = sizeof host;
  host.context = &loan;
  host.send = forget_messages;
  host.apply = check_applied;
  OK(raft_campaign(node));
  while (worked) {
    OK(raft_drive(node, &host, &worked));
  }
  OK(raft_propose_owned(node, lend(&loan, "kept"), release_loan, &loan, &placed));
  worked = true;
  while (worked) {
    OK(raft_drive(node, &host, &worked));
  }
  CHECK(placed.index == 3 && loan.released == 0);
  raft_node_free(node);
  CHECK(loan.released == 1);
}

// ---- Releases that call back -----------------------------------------------------------------------------

typedef struct Returning {
  raft_node *node;
  raft_status expected;
  int calls;
} Returning;

// A release callback must not call the library. If it does, nothing hangs and nothing breaks.
static void release_and_call(void *context) {
  Returning *self = context;
  self->calls++;
  const raft_status status = raft_tick(self->node);
  CHECK(status == self->expected || status == RAFT_ERR_REENTRANT);
  raft_node_free(self->node);
}

static void releases_that_call_back_do_no_harm(void) {
  static const uint64_t ids[] = {1};
  static Disk disk;
  Returning self = {NULL, RAFT_ERR_REENTRANT, 0};
  raft_config config;
  raft_storage storage;
  raft_ready_view *view = NULL;
  disk_format(&disk, ids, 1);
  storage = disk_storage(&disk);
  OK(raft_config_init(&config, sizeof config, 1));
  OK(raft_node_new(&config, &storage, &self.node));
  // With the node locked: the proposal is refused while it is.
  EXPECT(raft_propose_owned(self.node, text("x"), release_and_call, &self, NULL), RAFT_ERR_PROPOSAL_DROPPED);
  CHECK(self.calls == 1);
  OK(raft_tick(self.node));  // it lives on
  // While the node goes: it is no node any more.
  OK(raft_campaign(self.node));
  for (OK(raft_ready(self.node, &view)); view != NULL; OK(raft_ready(self.node, &view))) {
    disk_store(&disk, view->entries, view->entries_len);
    if (view->has_hard_state) {
      disk.hard_state = view->hard_state;
    }
    OK(raft_advance(self.node, view));
  }
  OK(raft_propose_owned(self.node, text("kept"), release_and_call, &self, NULL));
  self.expected = RAFT_ERR_INVALID_ARGUMENT;
  raft_node_free(self.node);
  CHECK(self.calls == 2 && disk.released);
  disk_free(&disk);
}

int main(void) {
  storage_callbacks_cannot_call_their_node();
  host_callbacks_may_call_their_node();
  loans_are_given_back_exactly_once();
  releases_that_call_back_do_no_harm();
  return 0;
}
