// SPDX-License-Identifier: Apache-2.0
//
// The file is a sequence of records, one for each batch: a header, then parts. A part is a tag, a length, and the
// library's encoding: S a snapshot (it replaces all before it), E an entry (it replaces what is at its index and
// after), H the hard state. Each record is synced before the next one is written, so that a crash can damage the last
// one only, which nobody has been told of.
//
//   | position u64 | length u32 | checksum of the parts u32 | checksum of the header u32 | parts ...
//
// A header says where it is and is checked for itself. So a damaged length is seen, and a record behind the damage is
// found: what is damaged before another record is an error. The end of the file is cut off if it looks as a crash leaves
// it: too short, or with a sector of zeros that was never written. Any other damage there is an error, too: it may be a
// record that was acknowledged.
#define _DEFAULT_SOURCE

#include "file_storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct bytes {
  uint8_t *data;
  size_t len;
  size_t capacity;
} bytes;

typedef struct stored_entry {
  uint64_t term;
  bytes encoded;
} stored_entry;

struct file_storage {
  char *path;
  int file;
  off_t size;   // of what is whole
  bool broken;  // a write failed
  raft_hard_state hard_state;
  raft_entry_id compacted;  // the snapshot's last entry
  bytes snapshot;           // encoded
  stored_entry *log;        // from compacted.index + 1 on
  size_t log_len;
  size_t log_capacity;
};

// ---- Bytes

static bool grow(bytes *self, size_t more) {
  if (self->capacity - self->len >= more) return true;
  size_t capacity = self->capacity * 2 + more;
  uint8_t *data = realloc(self->data, capacity);
  if (data == NULL) return false;
  self->data = data;
  self->capacity = capacity;
  return true;
}

static bool add(bytes *self, const void *data, size_t len) {
  if (!grow(self, len)) return false;
  if (len > 0) memcpy(self->data + self->len, data, len);
  self->len += len;
  return true;
}

static void forget(bytes *self) {
  free(self->data);
  memset(self, 0, sizeof *self);
}

static raft_slice slice_of(const bytes *self) { return raft_slice_of(self->data, self->len); }

static uint32_t checksum(const uint8_t *data, size_t len) {  // CRC-32C
  uint32_t sum = UINT32_MAX;
  for (size_t i = 0; i < len; i++) {
    sum ^= data[i];
    for (int bit = 0; bit < 8; bit++) sum = (sum >> 1) ^ (0x82f63b78u & (0u - (sum & 1u)));
  }
  return ~sum;
}

// ---- Records

enum { POSITION = 0, LENGTH = 8, PARTS_SUM = 12, HEADER_SUM = 16, RECORD_HEADER = 20, PART_HEADER = 5, SECTOR = 512 };

static void write_header(uint8_t header[RECORD_HEADER], uint64_t position, const bytes *record) {
  const uint32_t len = (uint32_t)record->len;
  const uint32_t parts_sum = checksum(record->data, record->len);
  memcpy(header + POSITION, &position, sizeof position);
  memcpy(header + LENGTH, &len, sizeof len);
  memcpy(header + PARTS_SUM, &parts_sum, sizeof parts_sum);
  const uint32_t header_sum = checksum(header, HEADER_SUM);
  memcpy(header + HEADER_SUM, &header_sum, sizeof header_sum);
}

static uint32_t number_at(const uint8_t *data) {
  uint32_t number = 0;
  memcpy(&number, data, sizeof number);
  return number;
}

static bool add_part(bytes *record, char tag, const void *data, size_t len) {
  const uint32_t size = (uint32_t)len;
  return len <= UINT32_MAX && add(record, &tag, 1) && add(record, &size, sizeof size) && add(record, data, len);
}

static raft_status add_entry(bytes *record, const raft_entry *entry) {
  const size_t len = raft_entry_encoded_len(entry);
  uint8_t *encoded = malloc(len > 0 ? len : 1);
  raft_status status = encoded == NULL ? RAFT_ERR_NO_MEMORY : raft_entry_encode(entry, encoded, len, NULL);
  if (status == RAFT_OK && !add_part(record, 'E', encoded, len)) status = RAFT_ERR_NO_MEMORY;
  free(encoded);
  return status;
}

static raft_status add_snapshot(bytes *record, const raft_snapshot *snapshot) {
  size_t len = 0;
  raft_status status = raft_snapshot_encode(snapshot, NULL, 0, &len);
  if (status != RAFT_ERR_TOO_LARGE) return status == RAFT_OK ? RAFT_ERR_OTHER : status;
  uint8_t *encoded = malloc(len);
  status = encoded == NULL ? RAFT_ERR_NO_MEMORY : raft_snapshot_encode(snapshot, encoded, len, NULL);
  if (status == RAFT_OK && !add_part(record, 'S', encoded, len)) status = RAFT_ERR_NO_MEMORY;
  free(encoded);
  return status;
}

static bool write_all(int file, const uint8_t *data, size_t len) {
  while (len > 0) {
    const ssize_t written = write(file, data, len);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    data += written;
    len -= (size_t)written;
  }
  return true;
}

// Appends a record, durably. A sync that failed must not be tried again: the system may have thrown away what it
// could not write, and the next sync would say that all is well.
static raft_status append(file_storage *self, const bytes *record) {
  uint8_t header[RECORD_HEADER];
  if (record->len > UINT32_MAX) return RAFT_ERR_TOO_LARGE;
  write_header(header, (uint64_t)self->size, record);
  if (!write_all(self->file, header, sizeof header) ||
      !write_all(self->file, record->data, record->len) || fdatasync(self->file) != 0) {
    self->broken = true;
    return RAFT_ERR_IO;
  }
  self->size += (off_t)(sizeof header + record->len);
  return RAFT_OK;
}

// ---- What is in memory

static uint64_t last_of(const file_storage *self) { return self->compacted.index + self->log_len; }

static void cut_log(file_storage *self, size_t len) {
  while (self->log_len > len) forget(&self->log[--self->log_len].encoded);
}

static raft_status replay_entry(file_storage *self, const uint8_t *data, size_t len) {
  raft_entry entry;
  const raft_status status = raft_entry_decode(raft_slice_of(data, len), &entry);
  if (status != RAFT_OK) return status;
  if (entry.index <= self->compacted.index || entry.index > last_of(self) + 1) return RAFT_ERR_OTHER;
  cut_log(self, (size_t)(entry.index - self->compacted.index - 1));
  if (self->log_len == self->log_capacity) {
    const size_t capacity = self->log_capacity * 2 + 64;
    stored_entry *log = realloc(self->log, capacity * sizeof *log);
    if (log == NULL) return RAFT_ERR_NO_MEMORY;
    self->log = log;
    self->log_capacity = capacity;
  }
  stored_entry *stored = &self->log[self->log_len];
  memset(stored, 0, sizeof *stored);
  stored->term = entry.term;
  if (!add(&stored->encoded, data, len)) return RAFT_ERR_NO_MEMORY;
  self->log_len++;
  return RAFT_OK;
}

static raft_status replay_snapshot(file_storage *self, const uint8_t *data, size_t len) {
  raft_snapshot_buffer *buffer = NULL;
  raft_snapshot snapshot;
  raft_status status = raft_snapshot_decode(raft_slice_of(data, len), &buffer);
  if (status != RAFT_OK) return status;
  status = raft_snapshot_buffer_view(buffer, &snapshot);
  if (status == RAFT_OK) {
    cut_log(self, 0);
    self->compacted.term = snapshot.term;
    self->compacted.index = snapshot.index;
    self->snapshot.len = 0;
    if (!add(&self->snapshot, data, len)) status = RAFT_ERR_NO_MEMORY;
  }
  raft_snapshot_buffer_free(buffer);
  return status;
}

static raft_status replay(file_storage *self, const uint8_t *record, size_t len) {
  raft_status status = RAFT_OK;
  while (len >= PART_HEADER && status == RAFT_OK) {
    uint32_t size = 0;
    memcpy(&size, record + 1, sizeof size);
    if (size > len - PART_HEADER) return RAFT_ERR_OTHER;
    const uint8_t *part = record + PART_HEADER;
    switch (record[0]) {
      case 'S': status = replay_snapshot(self, part, size); break;
      case 'E': status = replay_entry(self, part, size); break;
      case 'H':
        if (size != sizeof self->hard_state) return RAFT_ERR_OTHER;
        memcpy(&self->hard_state, part, size);
        break;
      default: return RAFT_ERR_OTHER;
    }
    record += PART_HEADER + size;
    len -= PART_HEADER + size;
  }
  return len == 0 ? status : RAFT_ERR_OTHER;
}

static raft_status append_and_replay(file_storage *self, const bytes *record) {
  raft_status status = append(self, record);
  if (status == RAFT_OK) status = replay(self, record->data, record->len);
  if (status != RAFT_OK) self->broken = true;
  return status;
}

// ---- Opening

// A new name in a directory is durable when the directory is.
static bool sync_directory(const char *path) {
  const char *slash = strrchr(path, '/');
  char *name = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
  const int directory = name == NULL ? -1 : open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = directory >= 0 && fsync(directory) == 0;
  if (directory >= 0) close(directory);
  free(name);
  return synced;
}

static raft_status open_locked(const char *path, int flags, int *out) {
  const int file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | flags, 0644);
  if (file < 0) return RAFT_ERR_IO;
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    close(file);
    return RAFT_ERR_BUSY;
  }
  *out = file;
  return RAFT_OK;
}

static bool read_all(int file, bytes *content) {
  struct stat info;
  if (fstat(file, &info) != 0 || !grow(content, (size_t)info.st_size + 1)) return false;
  for (;;) {
    if (!grow(content, 1)) return false;
    const ssize_t got = pread(file, content->data + content->len, content->capacity - content->len, (off_t)content->len);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got == 0;
    content->len += (size_t)got;
  }
}

// Whether there is a header at a place, as it was written there.
static bool has_header(const bytes *content, size_t at) {
  uint64_t position = 0;
  if (content->len - at < RECORD_HEADER) return false;
  const uint8_t *header = content->data + at;
  memcpy(&position, header + POSITION, sizeof position);
  return position == at && checksum(header, HEADER_SUM) == number_at(header + HEADER_SUM);
}

// The length of the record at a place, header included; 0 if there is no whole one.
static size_t record_at(const bytes *content, size_t at) {
  if (!has_header(content, at)) return 0;
  const uint8_t *header = content->data + at;
  const size_t len = number_at(header + LENGTH);
  if (len > content->len - at - RECORD_HEADER) return 0;
  return checksum(header + RECORD_HEADER, len) == number_at(header + PARTS_SUM) ? RECORD_HEADER + len : 0;
}

static bool is_zero(const uint8_t *data, size_t len) {
  while (len > 0 && data[len - 1] == 0) len--;
  return len == 0;
}

// Whether what begins at a place can be what a crash has left of the last record.
static bool is_torn(const bytes *content, size_t at) {
  for (size_t later = at + 1; later < content->len; later++) {
    if (has_header(content, later)) return false;  // it was written once the one before was synced
  }
  const size_t left = content->len - at;
  if (left < RECORD_HEADER) return true;
  const uint8_t *header = content->data + at;
  if (!has_header(content, at)) return is_zero(header, RECORD_HEADER);  // its sector was not written
  if (number_at(header + LENGTH) > left - RECORD_HEADER) return true;
  for (size_t sector = (at / SECTOR + 1) * SECTOR; sector < content->len; sector += SECTOR) {
    const size_t len = content->len - sector < SECTOR ? content->len - sector : SECTOR;
    if (is_zero(content->data + sector, len)) return true;
  }
  return false;
}

static raft_status load(file_storage *self) {
  bytes content = {0};
  size_t at = 0, len = 0;
  raft_status status = read_all(self->file, &content) ? RAFT_OK : RAFT_ERR_IO;
  while (status == RAFT_OK && (len = record_at(&content, at)) > 0) {
    status = replay(self, content.data + at + RECORD_HEADER, len - RECORD_HEADER);
    at += len;
  }
  if (status == RAFT_OK && at < content.len && !is_torn(&content, at)) status = RAFT_ERR_IO;
  // The torn end goes before anything is written behind it.
  if (status == RAFT_OK && at < content.len && (ftruncate(self->file, (off_t)at) != 0 || fsync(self->file) != 0)) {
    status = RAFT_ERR_IO;
  }
  self->size = (off_t)at;
  forget(&content);
  return status;
}

// A group starts from a snapshot of the empty state at index 1 of term 1.
static raft_status found_group(file_storage *self, const raft_conf_state *members) {
  const raft_hard_state hard_state = {.term = 1, .vote = 0, .commit = 1};
  const raft_snapshot first = {.term = 1, .index = 1, .conf_state = *members};
  bytes record = {0};
  raft_status status = add_snapshot(&record, &first);
  if (status == RAFT_OK && !add_part(&record, 'H', &hard_state, sizeof hard_state)) status = RAFT_ERR_NO_MEMORY;
  if (status == RAFT_OK) status = append_and_replay(self, &record);
  forget(&record);
  return status;
}

raft_status file_storage_open(const char *path, const raft_conf_state *members, file_storage **out) {
  file_storage *self = calloc(1, sizeof *self);
  if (self == NULL) return RAFT_ERR_NO_MEMORY;
  self->file = -1;
  self->path = strdup(path);
  raft_status status = self->path == NULL ? RAFT_ERR_NO_MEMORY : open_locked(path, 0, &self->file);
  if (status == RAFT_OK) status = load(self);
  if (status == RAFT_OK && self->size == 0) {
    if (!sync_directory(path)) status = RAFT_ERR_IO;
    if (status == RAFT_OK && members != NULL) status = found_group(self, members);
  }
  if (status != RAFT_OK) {
    file_storage_close(self);
    return status;
  }
  *out = self;
  return RAFT_OK;
}

void file_storage_close(file_storage *self) {
  if (self == NULL) return;
  cut_log(self, 0);
  free(self->log);
  forget(&self->snapshot);
  if (self->file >= 0) close(self->file);
  free(self->path);
  free(self);
}

// ---- What the host writes

raft_status file_storage_persist(void *storage, const raft_persist *what) {
  file_storage *self = storage;
  bytes record = {0};
  raft_status status = RAFT_OK;
  if (self->broken) return RAFT_ERR_IO;
  if (what->snapshot != NULL) {
    // An older snapshot would take back what was acknowledged.
    if (what->snapshot->index < self->compacted.index) return RAFT_ERR_OTHER;
    // The one that is there changes nothing: what follows it in the log stays.
    const bool is_new = what->snapshot->index > self->compacted.index;
    if (is_new && !add_part(&record, 'S', what->snapshot_encoded.data, what->snapshot_encoded.len)) status = RAFT_ERR_NO_MEMORY;
  }
  for (size_t i = 0; i < what->entries_len && status == RAFT_OK; i++) status = add_entry(&record, &what->entries[i]);
  if (what->hard_state != NULL && status == RAFT_OK &&
      !add_part(&record, 'H', what->hard_state, sizeof *what->hard_state)) {
    status = RAFT_ERR_NO_MEMORY;
  }
  // A commit index alone (must_sync is false) need not be durable; it is cheaper to keep the one rule that each
  // record is.
  if (status == RAFT_OK && record.len > 0) status = append_and_replay(self, &record);
  forget(&record);
  return status;
}

static raft_status term_of(void *storage, uint64_t index, uint64_t *term) {
  const file_storage *self = storage;
  if (index < self->compacted.index) return RAFT_ERR_COMPACTED;
  if (index > last_of(self)) return RAFT_ERR_UNAVAILABLE;
  *term = index == self->compacted.index ? self->compacted.term : self->log[index - self->compacted.index - 1].term;
  return RAFT_OK;
}

// All that is left after a compaction, as one record of a new file.
static raft_status compacted_record(file_storage *self, uint64_t index, const raft_conf_state *members,
                                    raft_slice state, bytes *record) {
  raft_snapshot_buffer *before = NULL;
  raft_snapshot made = {0};
  raft_status status = file_storage_snapshot(self, &before);
  if (status == RAFT_OK) status = raft_snapshot_buffer_view(before, &made);
  if (status == RAFT_OK) status = term_of(self, index, &made.term);
  made.index = index;
  made.data = state;
  if (members != NULL) made.conf_state = *members;
  if (status == RAFT_OK) status = add_snapshot(record, &made);
  for (size_t at = (size_t)(index - self->compacted.index); at < self->log_len && status == RAFT_OK; at++) {
    const bytes *entry = &self->log[at].encoded;
    if (!add_part(record, 'E', entry->data, entry->len)) status = RAFT_ERR_NO_MEMORY;
  }
  if (status == RAFT_OK && !add_part(record, 'H', &self->hard_state, sizeof self->hard_state)) {
    status = RAFT_ERR_NO_MEMORY;
  }
  raft_snapshot_buffer_free(before);
  return status;
}

// Writes a new file beside the old one, and puts it in its place when it is whole.
static raft_status replace_file(file_storage *self, const bytes *record) {
  const size_t room = strlen(self->path) + sizeof ".new";
  char *fresh = malloc(room);
  if (fresh == NULL) return RAFT_ERR_NO_MEMORY;
  snprintf(fresh, room, "%s.new", self->path);
  const int old = self->file;
  const off_t old_size = self->size;
  raft_status status = open_locked(fresh, O_TRUNC, &self->file);
  self->size = 0;
  if (status == RAFT_OK) status = append(self, record);
  if (status == RAFT_OK && rename(fresh, self->path) != 0) status = RAFT_ERR_IO;
  if (status == RAFT_OK) {
    close(old);
    if (!sync_directory(self->path)) status = RAFT_ERR_IO;
    self->broken = status != RAFT_OK;
  } else {  // the old file is as it was
    if (self->file != old && self->file >= 0) close(self->file);
    self->file = old;
    self->size = old_size;
    self->broken = false;
    unlink(fresh);
  }
  free(fresh);
  return status;
}

raft_status file_storage_compact(file_storage *self, uint64_t index, const raft_conf_state *members, raft_slice state) {
  bytes record = {0};
  if (self->broken) return RAFT_ERR_IO;
  if (index <= self->compacted.index || index > last_of(self)) return RAFT_ERR_OTHER;
  raft_status status = compacted_record(self, index, members, state, &record);
  if (status == RAFT_OK) status = replace_file(self, &record);
  if (status == RAFT_OK) status = replay(self, record.data, record.len);
  forget(&record);
  return status;
}

uint64_t file_storage_snapshot_index(const file_storage *self) { return self->compacted.index; }

raft_status file_storage_snapshot(const file_storage *self, raft_snapshot_buffer **out) {
  return raft_snapshot_decode(slice_of(&self->snapshot), out);
}

// ---- What the node reads

static raft_status initial_state(void *storage, raft_hard_state *hard_state, raft_conf_state_sink *members) {
  const file_storage *self = storage;
  raft_snapshot_buffer *buffer = NULL;
  raft_snapshot snapshot;
  *hard_state = self->hard_state;
  if (self->compacted.index == 0) return RAFT_OK;  // it has yet to join
  raft_status status = file_storage_snapshot(self, &buffer);
  if (status == RAFT_OK) status = raft_snapshot_buffer_view(buffer, &snapshot);
  if (status == RAFT_OK) status = raft_conf_state_sink_set(members, &snapshot.conf_state);
  raft_snapshot_buffer_free(buffer);
  return status;
}

static raft_status read_entries(void *storage, uint64_t low, uint64_t high, uint64_t max_bytes, raft_entry_sink *out) {
  const file_storage *self = storage;
  (void)max_bytes;  // the sink says when there are enough
  if (low <= self->compacted.index) return RAFT_ERR_COMPACTED;
  if (high > last_of(self) + 1) return RAFT_ERR_UNAVAILABLE;
  for (uint64_t index = low; index < high; index++) {
    raft_entry entry;
    raft_status status = raft_entry_decode(slice_of(&self->log[index - self->compacted.index - 1].encoded), &entry);
    if (status == RAFT_OK) status = raft_entry_sink_push(out, &entry);
    if (status == RAFT_ERR_TOO_LARGE) return RAFT_OK;
    if (status != RAFT_OK) return status;
  }
  return RAFT_OK;
}

static raft_status first_index(void *storage, uint64_t *index) {
  *index = ((const file_storage *)storage)->compacted.index + 1;
  return RAFT_OK;
}

static raft_status last_index(void *storage, uint64_t *index) {
  *index = last_of(storage);
  return RAFT_OK;
}

static raft_status read_snapshot(void *storage, raft_snapshot_sink *out) {
  const file_storage *self = storage;
  if (self->compacted.index == 0) return RAFT_ERR_SNAPSHOT_UNAVAILABLE;
  return raft_snapshot_sink_set_encoded(out, slice_of(&self->snapshot));
}

raft_storage file_storage_table(file_storage *self) {
  raft_storage table = {0};
  table.struct_size = sizeof table;
  table.context = self;
  table.initial_state = initial_state;
  table.entries = read_entries;
  table.term = term_of;
  table.first_index = first_index;
  table.last_index = last_index;
  table.snapshot = read_snapshot;
  return table;
}
