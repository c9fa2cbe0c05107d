// SPDX-License-Identifier: Apache-2.0
//
// Whatever a caller gets wrong is answered by a status, changes nothing, and names the argument.

#include "support.h"

static raft_config good_config(void) {
  raft_config config;
  OK(raft_config_init(&config, sizeof config, 1));
  return config;
}

static raft_node *single(void) {
  static const uint64_t ids[] = {1};
  raft_conf_state members = {0};
  raft_node *node = NULL;
  raft_config config = good_config();
  config.pre_vote = false;  // a campaign changes the hard state at once
  members.voters = ids;
  members.voters_len = 1;
  OK(raft_node_new_in_memory(&config, &members, &node));
  return node;
}

// The last error's text contains `words`.
static void check_detail(raft_node *node, const char *words) {
  char detail[256];
  size_t needed = 0;
  OK(raft_node_last_error(node, detail, sizeof detail, &needed));
  if (strstr(detail, words) == NULL || needed != strlen(detail) + 1) {
    fprintf(stderr, "\"%s\" is not in \"%s\"\n", words, detail);
    exit(1);
  }
}

#define INVALID(node, call, words)          \
  do {                                      \
    EXPECT(call, RAFT_ERR_INVALID_ARGUMENT); \
    check_detail(node, words);              \
  } while (0)

static void every_function_refuses_a_null_node(void) {
  raft_ready_view *view = NULL;
  raft_entry_id id;
  raft_entry entry = {0};
  raft_host host = {0};
  bool worked = true;
  size_t len = 0;
  raft_conf_state_buffer *buffer = NULL;
  raft_node_status_info info = {0};
  INVALID(NULL, raft_tick(NULL), "node");
  INVALID(NULL, raft_step(NULL, text("x")), "node");
  INVALID(NULL, raft_propose(NULL, text("x"), &id), "node");
  INVALID(NULL, raft_propose_batch(NULL, NULL, 0, &id), "node");
  INVALID(NULL, raft_propose_conf_change(NULL, NULL, 0, 0, text(""), &id), "node");
  INVALID(NULL, raft_apply_conf_change(NULL, &entry, &buffer), "node");
  INVALID(NULL, raft_campaign(NULL), "node");
  INVALID(NULL, raft_transfer_leader(NULL, 1), "node");
  INVALID(NULL, raft_forget_leader(NULL), "node");
  INVALID(NULL, raft_read_index(NULL, text("x")), "node");
  INVALID(NULL, raft_report_unreachable(NULL, 1), "node");
  INVALID(NULL, raft_report_snapshot(NULL, 1, true), "node");
  INVALID(NULL, raft_ready(NULL, &view), "node");
  INVALID(NULL, raft_advance(NULL, view), "node");
  INVALID(NULL, raft_drive(NULL, &host, &worked), "node");
  INVALID(NULL, raft_memory_snapshot(NULL, 1, text("")), "node");
  INVALID(NULL, raft_memory_compact(NULL, 1), "node");
  INVALID(NULL, raft_node_status(NULL, &info), "node");
  INVALID(NULL, raft_node_status_json(NULL, NULL, 0, &len), "node");
  INVALID(NULL, raft_node_progress(NULL, NULL, 0, &len), "node");
  INVALID(NULL, raft_node_conf_state(NULL, &buffer), "node");
  CHECK(!raft_has_ready(NULL));
  CHECK(worked && view == NULL && buffer == NULL && len == 0);
}

static void freeing_nothing_is_allowed(void) {
  raft_node_free(NULL);
  raft_ready_free(NULL);
  raft_conf_state_buffer_free(NULL);
  raft_snapshot_buffer_free(NULL);
}

static void required_pointers_may_not_be_null(void) {
  raft_node *node = single();
  const raft_slice dangling = {NULL, 3};
  const raft_slice batch[2] = {text("x"), {NULL, 1}};
  raft_entry entry = {0};
  raft_conf_state state;
  INVALID(node, raft_step(node, dangling), "`message`");
  INVALID(node, raft_propose(node, dangling, NULL), "`data`");
  INVALID(node, raft_propose_batch(node, NULL, 2, NULL), "`data`");
  INVALID(node, raft_propose_batch(node, batch, 2, NULL), "`data`");
  INVALID(node, raft_propose_conf_change(node, NULL, 1, 0, text(""), NULL), "`ops`");
  INVALID(node, raft_propose_conf_change(node, NULL, 0, 0, dangling, NULL), "`context`");
  INVALID(node, raft_apply_conf_change(node, NULL, NULL), "`entry`");
  entry.kind = RAFT_ENTRY_CONF_CHANGE;
  entry.data = dangling;
  INVALID(node, raft_apply_conf_change(node, &entry, NULL), "`entry.data`");
  INVALID(node, raft_read_index(node, dangling), "`context`");
  INVALID(node, raft_ready(node, NULL), "`out`");
  INVALID(node, raft_advance(node, NULL), "`view`");
  INVALID(node, raft_drive(node, NULL, NULL), "`host`");
  INVALID(node, raft_node_status(node, NULL), "`out`");
  INVALID(node, raft_node_status_json(node, NULL, 10, NULL), "`buffer`");
  INVALID(node, raft_node_progress(node, NULL, 0, NULL), "`len`");
  INVALID(node, raft_node_conf_state(node, NULL), "`out`");
  EXPECT(raft_node_last_error(node, NULL, 10, NULL), RAFT_ERR_INVALID_ARGUMENT);
  INVALID(NULL, raft_config_init(NULL, sizeof(raft_config), 1), "`config`");
  INVALID(NULL, raft_conf_state_encode(NULL, NULL, 0, NULL), "`conf_state`");
  INVALID(NULL, raft_conf_state_decode(text(""), NULL), "`out`");
  INVALID(NULL, raft_conf_state_buffer_view(NULL, &state), "`buffer`");
  INVALID(NULL, raft_snapshot_encode(NULL, NULL, 0, NULL), "`snapshot`");
  INVALID(NULL, raft_snapshot_decode(text(""), NULL), "`out`");
  INVALID(NULL, raft_entry_sink_push(NULL, &entry), "`sink`");
  raft_node_free(node);
}

static void unknown_integers_are_refused(void) {
  raft_node *node = single();
  const raft_conf_change_op op = {4, 2};
  raft_message_info info = {0};
  raft_entry entry = {0};
  raft_config config = good_config();
  raft_node *other = NULL;
  INVALID(node, raft_propose_conf_change(node, &op, 1, 0, text(""), NULL), "`op.kind`");
  INVALID(node, raft_propose_conf_change(node, NULL, 0, 3, text(""), NULL), "`transition`");
  entry.kind = -1;
  INVALID(node, raft_apply_conf_change(node, &entry, NULL), "`entry.kind`");
  entry.kind = RAFT_ENTRY_NORMAL;
  INVALID(node, raft_apply_conf_change(node, &entry, NULL), "`entry.kind`");
  entry.flags = 2;
  INVALID(node, raft_apply_conf_change(node, &entry, NULL), "`entry.flags`");
  info.struct_size = sizeof info;
  INVALID(NULL, raft_message_inspect(text("x"), 2, &info), "`dialect`");
  config.read_mode = 2;
  INVALID(NULL, raft_node_new_in_memory(&config, NULL, &other), "`config.read_mode`");
  config = good_config();
  config.dialect = -1;
  INVALID(NULL, raft_node_new_in_memory(&config, NULL, &other), "`config.dialect`");
  config = good_config();
  memset(&config.pre_vote, 2, 1);
  INVALID(NULL, raft_node_new_in_memory(&config, NULL, &other), "bool");
  CHECK(other == NULL);
  raft_node_free(node);
}

static void configurations_are_checked(void) {
  raft_node *node = NULL;
  raft_config config = good_config();
  config.id = 0;
  EXPECT(raft_node_new_in_memory(&config, NULL, &node), RAFT_ERR_CONFIG);
  check_detail(NULL, "id");
  config = good_config();
  config.heartbeat_ticks = config.election_ticks;
  EXPECT(raft_node_new_in_memory(&config, NULL, &node), RAFT_ERR_CONFIG);
  check_detail(NULL, "election_ticks");
  CHECK(node == NULL);
}

// A newer caller's struct is larger: that is well as long as what is beyond is zero.
static void sizes_of_structs_are_checked(void) {
  struct {
    raft_config config;
    uint64_t from_the_future;
  } newer;
  raft_node *node = NULL;
  raft_config config = good_config();
  INVALID(NULL, raft_config_init(&config, sizeof config - 1, 1), "struct_size");
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

static raft_status send_nothing(void *context, const raft_message *messages, size_t len) {
  (void)context;
  (void)messages;
  (void)len;
  return RAFT_OK;
}

static raft_status apply_nothing(void *context, const raft_entry *entries, size_t len) {
  (void)context;
  (void)entries;
  (void)len;
  return RAFT_OK;
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

static void hostile_bytes_are_refused(void) {
  raft_node *node = single();
  raft_message_info info = {0};
  raft_snapshot_buffer *snapshot = NULL;
  raft_conf_state_buffer *members = NULL;
  const raft_slice garbage = text("\xff\xff\xff\xff garbage");
  info.struct_size = sizeof info;
  EXPECT(raft_step(node, garbage), RAFT_ERR_DECODE);
  EXPECT(raft_step(node, text("")), RAFT_ERR_DECODE);
  EXPECT(raft_message_inspect(garbage, RAFT_DIALECT_ETCD, &info), RAFT_ERR_DECODE);
  EXPECT(raft_snapshot_decode(garbage, &snapshot), RAFT_ERR_DECODE);
  EXPECT(raft_conf_state_decode(garbage, &members), RAFT_ERR_DECODE);
  CHECK(snapshot == NULL && members == NULL);
  raft_node_free(node);
}

int main(void) {
  every_function_refuses_a_null_node();
  freeing_nothing_is_allowed();
  required_pointers_may_not_be_null();
  unknown_integers_are_refused();
  configurations_are_checked();
  sizes_of_structs_are_checked();
  storage_tables_must_be_complete_and_are_always_released();
  host_tables_must_be_complete();
  views_belong_to_their_node_and_are_advanced_once();
  a_view_given_up_is_handed_out_again();
  errors_are_cut_to_the_buffer();
  statuses_have_texts();
  hostile_bytes_are_refused();
  return 0;
}
