// SPDX-License-Identifier: Apache-2.0
//
// The durable storage of examples-c/storage: it keeps the contract, also over restarts; an end that a crash has torn is
// cut off, damage in the middle is refused; and two processes do not have one file.
#define _DEFAULT_SOURCE

#include <fcntl.h>
#include <file_storage.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

static const char *path;
static const uint64_t VOTERS[] = {1};
static raft_conf_state members;

typedef struct Subject {
  file_storage *storage;
  raft_storage table;
  raft_checked_storage checked;
} Subject;

static void open_again(Subject *self) {
  OK(file_storage_open(path, &members, &self->storage));
  self->table = file_storage_table(self->storage);
}

static raft_status reset(void *context) {
  Subject *self = context;
  file_storage_close(self->storage);
  unlink(path);
  open_again(self);
  return RAFT_OK;
}

static raft_status persist(void *context, const raft_persist *what) {
  return file_storage_persist(((Subject *)context)->storage, what);
}

static raft_status compact(void *context, uint64_t index) {
  Subject *self = context;
  if (index <= file_storage_snapshot_index(self->storage)) return RAFT_OK;
  return file_storage_compact(self->storage, index, NULL, text("state"));
}

static off_t size_of_file(void) {
  struct stat info;
  CHECK(stat(path, &info) == 0);
  return info.st_size;
}

static void write_at(off_t at, const void *data, size_t len) {
  const int file = open(path, O_RDWR);
  CHECK(file >= 0 && pwrite(file, data, len, at) == (ssize_t)len && close(file) == 0);
}

// A crash may leave a part of a record that nobody was told of.
static raft_status reopen(void *context, int32_t how) {
  Subject *self = context;
  file_storage_close(self->storage);
  if (how == RAFT_REOPEN_CRASHED) {
    static const char torn[] = "\x60\0\0\0torn, and shorter than it says";
    write_at(size_of_file(), torn, sizeof torn);
  }
  open_again(self);
  return RAFT_OK;
}

static void report(void *context, const raft_storage_finding *finding) {
  size_t *kept = context;
  if (finding->outcome == RAFT_RULE_BROKEN) {
    fprintf(stderr, "%s: expected %s, got %s\n", finding->rule, finding->expected, finding->got);
  }
  *kept += finding->outcome == RAFT_RULE_KEPT;
}

static void it_keeps_the_contract(void) {
  Subject self = {0};
  size_t kept = 0;
  self.checked.struct_size = sizeof self.checked;
  self.checked.context = &self;
  self.checked.storage = &self.table;
  self.checked.reset = reset;
  self.checked.persist = persist;
  self.checked.compact = compact;
  self.checked.reopen = reopen;
  OK(reset(&self));
  OK(raft_storage_check(&self.checked, report, &kept));
  file_storage_close(self.storage);
  printf("%zu rules are kept\n", kept);
  CHECK(kept > 30);
}

static void store(file_storage *storage, uint64_t index, const char *words) {
  raft_persist what = {0};
  raft_entry entry = {0};
  const raft_hard_state hard_state = {.term = 2, .vote = 1, .commit = index};
  entry.term = 2;
  entry.index = index;
  entry.data = text(words);
  what.entries = &entry;
  what.entries_len = 1;
  what.hard_state = &hard_state;
  what.must_sync = true;
  OK(file_storage_persist(storage, &what));
}

static uint64_t last_index(file_storage *storage) {
  const raft_storage table = file_storage_table(storage);
  uint64_t index = 0;
  OK(table.last_index(table.context, &index));
  return index;
}

static void a_torn_end_is_cut_off_and_damage_is_refused(void) {
  file_storage *storage = NULL;
  unlink(path);
  OK(file_storage_open(path, &members, &storage));
  store(storage, 2, "first");
  const off_t second = size_of_file();
  store(storage, 3, "second");
  const off_t third = size_of_file();
  store(storage, 4, "third");
  file_storage_close(storage);
  // Each length that a crash can leave of the last record.
  for (off_t size = size_of_file() - 1; size >= third; size--) {
    CHECK(truncate(path, size) == 0);
    OK(file_storage_open(path, &members, &storage));
    CHECK(last_index(storage) == 3 && size_of_file() == third);
    file_storage_close(storage);
  }
  write_at(second - 3, "?", 1);
  EXPECT(file_storage_open(path, &members, &storage), RAFT_ERR_IO);
}

static void an_older_snapshot_is_refused(void) {
  file_storage *storage = NULL;
  raft_persist what = {0};
  raft_snapshot older = {0};
  uint8_t encoded[64];
  size_t len = 0;
  unlink(path);
  OK(file_storage_open(path, &members, &storage));
  store(storage, 2, "first");
  store(storage, 3, "second");
  OK(file_storage_compact(storage, 3, &members, text("state")));
  older.term = 2;
  older.index = 2;
  older.conf_state = members;
  OK(raft_snapshot_encode(&older, encoded, sizeof encoded, &len));
  what.snapshot = &older;
  what.snapshot_encoded = raft_slice_of(encoded, len);
  EXPECT(file_storage_persist(storage, &what), RAFT_ERR_OTHER);
  CHECK(file_storage_snapshot_index(storage) == 3 && last_index(storage) == 3);
  file_storage_close(storage);
}

static void a_file_has_one_owner(void) {
  file_storage *storage = NULL;
  file_storage *other = NULL;
  unlink(path);
  OK(file_storage_open(path, &members, &storage));
  EXPECT(file_storage_open(path, &members, &other), RAFT_ERR_BUSY);
  store(storage, 2, "first");
  OK(file_storage_compact(storage, 2, NULL, text("state")));
  EXPECT(file_storage_open(path, &members, &other), RAFT_ERR_BUSY);
  file_storage_close(storage);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  path = argv[1];
  members.voters = VOTERS;
  members.voters_len = 1;
  it_keeps_the_contract();
  a_torn_end_is_cut_off_and_damage_is_refused();
  an_older_snapshot_is_refused();
  a_file_has_one_owner();
  unlink(path);
  return 0;
}
