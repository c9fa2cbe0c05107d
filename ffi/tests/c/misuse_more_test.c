// SPDX-License-Identifier: Apache-2.0
//
// Mistakes that take more than a line of misuse_cases.h: sizes of structs, tables of callbacks, views, sinks.

#include "misuse.h"

static void freeing_nothing_is_allowed(void) {
  raft_node_free(NULL);
  raft_ready_free(NULL);
  raft_conf_state_buffer_free(NULL);
  raft_conf_change_buffer_free(NULL);
  raft_recovery_free(NULL);
  raft_snapshot_buffer_free(NULL);
  raft_message_buffer_free(NULL);
  raft_memory_storage_free(NULL);
}

// A newer caller's struct is larger: that is well as long as what is beyond is zero.
static void sizes_of_structs_are_checked(void) {
  struct {
    raft_config config;
    uint64_t from_the_future;
  } newer;
  raft_node *node = NULL;
  raft_config config = good_config();
  INVALID(NULL, raft_config_init(&config, offsetof(raft_config, priority) - 1, 1), "struct_size");
  INVALID(NULL, raft_config_init(&config, 0, 1), "struct_size");
  config.struct_size = 8;
  INVALID(NULL, raft_node_new_in_memory(&config, NULL, &node), "struct_size");
  config.struct_size = 1u << 20;
  INVALID(NULL, raft_node_new_in_memory(&config, NULL, &node), "struct_size");
  memset(&newer, 0xff, sizeof newer);
  OK(raft_config_init(&newer.config, sizeof newer, 1));
  CHECK(newer.config.struct_size == sizeof newer && newer.from_the_future == 0);
  newer.from_the_future = 1;
  INVALID(NULL, raft_node_new_in_memory(&newer.config, NULL, &node), "does not know");
  newer.from_the_future = 0;
  OK(raft_node_new_in_memory(&newer.config, NULL, &node));
  struct {
    raft_node_status_info info;
    uint64_t from_the_future;
  } status;
  memset(&status, 0xff, sizeof status);
  status.info.struct_size = sizeof status;
  OK(raft_node_status(node, &status.info));
  CHECK(status.info.struct_size == sizeof status && status.info.id == 1);
  CHECK(status.from_the_future == 0);
  raft_node_free(node);
}

static void storage_tables_must_be_complete_and_are_always_released(void) {
  static const uint64_t ids[] = {1};
  const raft_config config = good_config();
  raft_node *node = NULL;
  Disk disk = {0};
  disk_format(&disk, ids, 1);
  raft_storage storage = disk_storage(&disk);
  INVALID(NULL, raft_node_new(&config, NULL, &node), "`storage`");
  storage.struct_size--;
  INVALID(NULL, raft_node_new(&config, &storage, &node), "`storage`");
  CHECK(!disk.released);
  storage = disk_storage(&disk);
  storage.term = NULL;
  INVALID(NULL, raft_node_new(&config, &storage, &node), "`storage.term`");
  CHECK(disk.released);
  disk.released = false;
  storage = disk_storage(&disk);
  INVALID(NULL, raft_node_new(NULL, &storage, &node), "`config`");
  CHECK(disk.released);
  disk.released = false;
  INVALID(NULL, raft_node_new(&config, &storage, NULL), "`out`");
  CHECK(disk.released);
  disk.released = false;
  disk.hard_state.commit = 99;
  EXPECT(raft_node_new(&config, &storage, &node), RAFT_ERR_INCONSISTENT_STORAGE);
  CHECK(disk.released && node == NULL);
  disk_free(&disk);
}

static void host_tables_must_be_complete(void) {
  static const uint64_t ids[] = {1};
  const raft_config config = good_config();
  raft_node *node = NULL;
  raft_host host = {0};
  Disk disk = {0};
  disk_format(&disk, ids, 1);
  const raft_storage storage = disk_storage(&disk);
  OK(raft_node_new(&config, &storage, &node));
  INVALID(node, raft_drive(node, &host, NULL), "struct_size");
  host.struct_size = sizeof host;
  INVALID(node, raft_drive(node, &host, NULL), "`host.send`");
  host.send = send_nothing;
  INVALID(node, raft_drive(node, &host, NULL), "`host.apply`");
  host.apply = apply_nothing;
  INVALID(node, raft_drive(node, &host, NULL), "`host.persist`");
  raft_node_free(node);
  disk_free(&disk);
}

static void views_belong_to_their_node_and_are_advanced_once(void) {
  raft_node *node = single();
  raft_node *other = single();
  raft_ready_view *view = NULL;
  raft_ready_view *foreign = NULL;
  raft_ready_view *again = NULL;
  OK(raft_campaign(node));
  OK(raft_campaign(other));
  OK(raft_ready(node, &view));
  OK(raft_ready(other, &foreign));
  CHECK(view != NULL && view->struct_size == sizeof *view && view->has_hard_state);
  EXPECT(raft_ready(node, &again), RAFT_ERR_READY_OUTSTANDING);
  CHECK(again == NULL);
  EXPECT(raft_advance(node, foreign), RAFT_ERR_FOREIGN_READY);
  OK(raft_advance(node, view));
  EXPECT(raft_advance(node, view), RAFT_ERR_FOREIGN_READY);
  OK(raft_ready(node, &again));
  EXPECT(raft_advance(node, view), RAFT_ERR_FOREIGN_READY);
  OK(raft_advance(node, again));
  raft_ready_free(view);  // too late, and harmless as long as the node lives
  // A view outlives its node.
  raft_node_free(other);
  CHECK(foreign->has_hard_state && foreign->hard_state.term == 2);
  raft_ready_free(foreign);
  raft_node_free(node);
}

static void a_view_given_up_is_handed_out_again(void) {
  raft_node *node = single();
  raft_ready_view *view = NULL;
  raft_ready_view *again = NULL;
  OK(raft_campaign(node));
  OK(raft_ready(node, &view));
  const uint64_t term = view->hard_state.term;
  raft_ready_free(view);
  CHECK(raft_has_ready(node));
  EXPECT(raft_advance(node, view), RAFT_ERR_FOREIGN_READY);
  OK(raft_ready(node, &again));
  CHECK(again != NULL && again->has_hard_state && again->hard_state.term == term);
  OK(raft_advance(node, again));
  // One that was never taken up again goes with the node.
  OK(raft_ready(node, &view));
  raft_ready_free(view);
  raft_node_free(node);
}

static void errors_are_cut_to_the_buffer(void) {
  raft_node *node = single();
  char tiny[8];
  char none = 'x';
  size_t needed = 0;
  EXPECT(raft_advance(node, NULL), RAFT_ERR_INVALID_ARGUMENT);
  OK(raft_node_last_error(node, tiny, sizeof tiny, &needed));
  CHECK(strlen(tiny) == sizeof tiny - 1 && needed > sizeof tiny);
  OK(raft_node_last_error(node, &none, 0, NULL));
  CHECK(none == 'x');
  OK(raft_node_last_error(node, NULL, 0, &needed));
  raft_node_free(node);
}

static void statuses_have_texts(void) {
  for (int32_t status = 1; status > -60; status--) {
    CHECK(strlen(raft_status_message(status)) > 0);
  }
  CHECK(strcmp(raft_status_message(RAFT_ERR_BUSY), raft_status_message(-999)) != 0);
  CHECK(raft_abi_version() == (((uint32_t)RAFT_ABI_MAJOR << 16) | RAFT_ABI_MINOR));
  char version[32];
  snprintf(version, sizeof version, "%d.%d.%d", RAFT_VERSION_MAJOR, RAFT_VERSION_MINOR,
           RAFT_VERSION_PATCH);
  CHECK(strcmp(version, raft_version()) == 0);
}

// What a callback may not do is an error, and no deadlock; and the node lives on when a callback frees it.
static raft_status call_back(void *context, const raft_entry *entries, size_t len) {
  raft_node *node = *(raft_node **)context;
  raft_host host = {0};
  (void)entries;
  (void)len;
  host.struct_size = sizeof host;
  host.send = send_nothing;
  host.apply = apply_nothing;
  EXPECT(raft_drive(node, &host, NULL), RAFT_ERR_REENTRANT);
  raft_node_free(node);
  OK(raft_tick(node));  // the node is not locked meanwhile
  return RAFT_OK;
}

static void a_host_callback_cannot_drive_or_free_its_node(void) {
  raft_node *node = single();
  raft_host host = {0};
  bool worked = true;
  host.struct_size = sizeof host;
  host.context = &node;
  host.send = send_nothing;
  host.apply = call_back;
  OK(raft_campaign(node));
  while (worked) {
    OK(raft_drive(node, &host, &worked));
  }
  raft_node_free(node);
}

static void observers_may_be_taken_away(void) {
  raft_node *node = single();
  OK(raft_node_set_observer(node, NULL));
  raft_node_free(node);
}

// ---- Sinks: what a storage callback hands over -----------------------------------------------------------

#define DANGLING raft_slice_of(NULL, 3)
#define ENDLESS raft_slice_of("", SIZE_MAX)

typedef struct Hasty {
  Disk disk;
  raft_storage real;
  size_t released;
  bool asked;
} Hasty;

static void count_release(void *context) { ++*(size_t *)context; }

static raft_status hasty_initial_state(void *context, raft_hard_state *hard_state,
                                       raft_conf_state_sink *out) {
  Hasty *self = context;
  raft_conf_state broken = {0};
  broken.learners_len = 2;
  INVALID(NULL, raft_conf_state_sink_set(out, NULL), "`state`");
  INVALID(NULL, raft_conf_state_sink_set(out, &broken), "`state.learners`");
  INVALID(NULL, raft_conf_state_sink_set_encoded(out, DANGLING), "`encoded`");
  INVALID(NULL, raft_conf_state_sink_set_encoded(out, ENDLESS), "`encoded` has an absurd");
  EXPECT(raft_conf_state_sink_set_encoded(out, text("\xff")), RAFT_ERR_DECODE);
  return self->real.initial_state(&self->disk, hard_state, out);
}

static raft_status hasty_entries(void *context, uint64_t low, uint64_t high, uint64_t max_bytes,
                                 raft_entry_sink *out) {
  Hasty *self = context;
  raft_entry entry = {0};
  INVALID(NULL, raft_entry_sink_push(out, NULL), "`entry`");
  INVALID(NULL, raft_entry_sink_push(out, &entry), "`entry.index`");
  entry.index = low;
  entry.kind = 9;
  INVALID(NULL, raft_entry_sink_push(out, &entry), "`entry.kind`");
  entry.kind = RAFT_ENTRY_NORMAL;
  entry.data = DANGLING;
  INVALID(NULL, raft_entry_sink_push(out, &entry), "`entry.data`");
  return self->real.entries(&self->disk, low, high, max_bytes, out);
}

static raft_status hasty_snapshot(void *context, raft_snapshot_sink *out) {
  Hasty *self = context;
  raft_snapshot broken = {0};
  broken.data = DANGLING;
  INVALID(NULL, raft_snapshot_sink_set(out, NULL), "`snapshot`");
  INVALID(NULL, raft_snapshot_sink_set(out, &broken), "`snapshot.data`");
  INVALID(NULL, raft_snapshot_sink_set_owned(out, &broken, NULL, NULL), "`release`");
  INVALID(NULL, raft_snapshot_sink_set_owned(out, NULL, count_release, &self->released), "`snapshot`");
  INVALID(NULL, raft_snapshot_sink_set_owned(out, &broken, count_release, &self->released), "`snapshot.data`");
  CHECK(self->released == 2);
  INVALID(NULL, raft_snapshot_sink_set_encoded(out, DANGLING), "`encoded`");
  INVALID(NULL, raft_snapshot_sink_set_encoded(out, ENDLESS), "`encoded` has an absurd");
  EXPECT(raft_snapshot_sink_set_encoded(out, text("\xff")), RAFT_ERR_DECODE);
  self->asked = true;
  return self->real.snapshot(&self->disk, out);
}

static void sinks_refuse_what_is_wrong(void) {
  static const uint64_t ids[] = {1, 2};
  static Hasty self;
  raft_node *node = NULL;
  raft_config config = good_config();
  disk_format(&self.disk, ids, 2);
  self.real = disk_storage(&self.disk);
  raft_storage storage = self.real;
  storage.context = &self;
  storage.release = NULL;
  storage.initial_state = hasty_initial_state;
  storage.entries = hasty_entries;
  storage.snapshot = hasty_snapshot;
  config.pre_vote = false;
  config.log_cache_bytes = 0;  // so that the storage is asked
  OK(raft_node_new(&config, &storage, &node));
  disk_lead(&self.disk, node, 1, 0);
  raft_ready_view *view = NULL;
  OK(raft_ready(node, &view));
  CHECK(self.asked && view != NULL && view->messages_len == 1);
  CHECK(view->messages[0].type == RAFT_MESSAGE_SNAPSHOT);
  raft_ready_free(view);
  raft_node_free(node);
  disk_free(&self.disk);
}

int main(void) {
  freeing_nothing_is_allowed();
  sizes_of_structs_are_checked();
  storage_tables_must_be_complete_and_are_always_released();
  host_tables_must_be_complete();
  views_belong_to_their_node_and_are_advanced_once();
  a_view_given_up_is_handed_out_again();
  errors_are_cut_to_the_buffer();
  statuses_have_texts();
  observers_may_be_taken_away();
  a_host_callback_cannot_drive_or_free_its_node();
  sinks_refuse_what_is_wrong();
  return 0;
}
