// SPDX-License-Identifier: Apache-2.0
//
// The durable storage of examples-c/storage: it keeps the contract, also over restarts; an end that a crash has torn is
// cut off, damage to what was acknowledged is refused; and two processes do not have one file.
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
  const off_t whole = size_of_file();
  if (how == RAFT_REOPEN_CRASHED) {
    const raft_hard_state never = {.term = 1u << 20, .vote = 1, .commit = 1};
    raft_persist what = {0};
    what.hard_state = &never;
    OK(file_storage_persist(self->storage, &what));
  }
  file_storage_close(self->storage);
  if (how == RAFT_REOPEN_CRASHED) CHECK(truncate(path, (whole + size_of_file()) / 2) == 0);
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

// Three records that were acknowledged, the group's own before them.
static void write_three(off_t *third) {
  file_storage *storage = NULL;
  unlink(path);
  OK(file_storage_open(path, &members, &storage));
  store(storage, 2, "first");
  store(storage, 3, "second");
  *third = size_of_file();
  store(storage, 4, "third");
  file_storage_close(storage);
}

static void each_torn_end_is_cut_off(void) {
  file_storage *storage = NULL;
  off_t third = 0;
  write_three(&third);
  // Each length that a crash can leave of the last record.
  for (off_t size = size_of_file() - 1; size >= third; size--) {
    CHECK(truncate(path, size) == 0);
    OK(file_storage_open(path, &members, &storage));
    CHECK(last_index(storage) == 3 && size_of_file() == third);
    file_storage_close(storage);
  }
  // The file has grown, and nothing of it was written.
  CHECK(truncate(path, third + 5000) == 0);
  OK(file_storage_open(path, &members, &storage));
  CHECK(last_index(storage) == 3 && size_of_file() == third);
  file_storage_close(storage);
}

// Nor is one of several sectors whose first ones are there.
static void a_missing_sector_is_cut_off(void) {
  static char words[3000];
  static const char zeros[512];
  file_storage *storage = NULL;
  off_t third = 0;
  memset(words, 'w', sizeof words - 1);
  write_three(&third);
  OK(file_storage_open(path, &members, &storage));
  const off_t whole = size_of_file();
  store(storage, 5, words);
  file_storage_close(storage);
  write_at((whole / 512 + 2) * 512, zeros, sizeof zeros);
  OK(file_storage_open(path, &members, &storage));
  CHECK(last_index(storage) == 4 && size_of_file() == whole);
  file_storage_close(storage);
}

// Each byte, with each of its bits, with all of them, and as a zero: lengths, checksums and positions too.
static void any_damage_to_what_was_acknowledged_is_refused(void) {
  off_t third = 0;
  uint8_t content[1024];
  write_three(&third);
  const size_t len = (size_t)size_of_file();
  const int file = open(path, O_RDONLY);
  CHECK(file >= 0 && len <= sizeof content && pread(file, content, len, 0) == (ssize_t)len && close(file) == 0);
  for (size_t at = 0; at < len; at++) {
    for (int how = 0; how < 10; how++) {
      const uint8_t flipped = (uint8_t)(how < 8 ? 1 << how : how == 8 ? 0xff : content[at]);
      const uint8_t damaged = content[at] ^ flipped;
      file_storage *storage = NULL;
      if (flipped == 0) continue;
      write_at((off_t)at, &damaged, 1);
      EXPECT(file_storage_open(path, &members, &storage), RAFT_ERR_IO);
      CHECK(size_of_file() == (off_t)len);
      write_at((off_t)at, &content[at], 1);
    }
  }
  // A record that is gone from the middle, and one that is there twice.
  file_storage *storage = NULL;
  write_at(third - 60, content + third, len - (size_t)third);
  EXPECT(file_storage_open(path, &members, &storage), RAFT_ERR_IO);
  write_at(0, content, len);
  write_at((off_t)len, content + third, len - (size_t)third);
  EXPECT(file_storage_open(path, &members, &storage), RAFT_ERR_IO);
  CHECK(truncate(path, (off_t)len) == 0);
  OK(file_storage_open(path, &members, &storage));
  CHECK(last_index(storage) == 4);
  file_storage_close(storage);
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
  each_torn_end_is_cut_off();
  a_missing_sector_is_cut_off();
  any_damage_to_what_was_acknowledged_is_refused();
  an_older_snapshot_is_refused();
  a_file_has_one_owner();
  unlink(path);
  return 0;
}
