// SPDX-License-Identifier: Apache-2.0
//
// raft_storage_check: the disk of these tests keeps the contract, and broken ones are found.

#include "disk.h"

typedef enum Flaw {
  NO_FLAW,
  NO_DISK_FAILURE,
  READS_ONE_TOO_MANY,
  PUSHES_NOTHING,
  BOUNDARY_TERM_ONE_OFF,
  SAYS_UNAVAILABLE_OF_COMPACTED,
  SAYS_IO_OF_UNAVAILABLE,
  OLDER_SNAPSHOT_ACCEPTED,
  KEEPS_CONFLICTING_TAIL,
  FORGETS_HARD_STATE,
  LOSES_SYNCED_WRITES,
  SWALLOWS_ERRORS
} Flaw;

typedef struct Subject {
  Flaw flaw;
  bool first_member;
  Disk disk;
  raft_storage of_disk;
  raft_storage reads;
  bool failing;
  uint64_t longest;  // the end of the longest log that there was
} Subject;

typedef struct Findings {
  size_t kept;
  size_t broken;
  size_t not_checked;
  char first_broken[64];
} Findings;

static raft_status check_reads(const Subject *self) { return self->failing ? RAFT_ERR_IO : RAFT_OK; }

static raft_status initial_state(void *context, raft_hard_state *hard_state,
                                 raft_conf_state_sink *out) {
  Subject *self = context;
  if (self->failing) {
    return RAFT_ERR_IO;
  }
  return self->of_disk.initial_state(&self->disk, hard_state, out);
}

static raft_status entries(void *context, uint64_t low, uint64_t high, uint64_t max_bytes,
                           raft_entry_sink *out) {
  Subject *self = context;
  if (self->failing) {
    return RAFT_ERR_IO;
  }
  if (self->flaw == PUSHES_NOTHING) {
    return RAFT_OK;
  }
  const raft_status status = self->of_disk.entries(&self->disk, low, high, max_bytes, out);
  if (status == RAFT_ERR_UNAVAILABLE && self->flaw == SAYS_IO_OF_UNAVAILABLE) {
    return RAFT_ERR_IO;
  }
  if (status == RAFT_OK && self->flaw == READS_ONE_TOO_MANY && high <= disk_last_index(&self->disk)) {
    return raft_entry_sink_push(out, &self->disk.log[high - self->disk.compacted.index - 1]);
  }
  return status;
}

static raft_status term(void *context, uint64_t index, uint64_t *out) {
  Subject *self = context;
  if (self->failing) {
    return RAFT_ERR_IO;
  }
  if (self->flaw == KEEPS_CONFLICTING_TAIL && index > disk_last_index(&self->disk) &&
      index <= self->longest) {
    *out = 1;
    return RAFT_OK;
  }
  const raft_status status = self->of_disk.term(&self->disk, index, out);
  if (status == RAFT_ERR_COMPACTED && self->flaw == SAYS_UNAVAILABLE_OF_COMPACTED) {
    return RAFT_ERR_UNAVAILABLE;
  }
  if (status == RAFT_OK && self->flaw == BOUNDARY_TERM_ONE_OFF &&
      index == self->disk.compacted.index && self->disk.log_len > 0 && index > 1) {
    *out = self->disk.log[0].term;
  }
  return status;
}

static raft_status first_index(void *context, uint64_t *index) {
  Subject *self = context;
  const raft_status status = check_reads(self);
  return status != RAFT_OK ? status : self->of_disk.first_index(&self->disk, index);
}

static raft_status last_index(void *context, uint64_t *index) {
  Subject *self = context;
  const raft_status status = check_reads(self);
  return status != RAFT_OK ? status : self->of_disk.last_index(&self->disk, index);
}

static raft_status snapshot(void *context, raft_snapshot_sink *out) {
  Subject *self = context;
  const raft_status status = check_reads(self);
  return status != RAFT_OK ? status : self->of_disk.snapshot(&self->disk, out);
}

static void release(void *context) {
  (void)context;
  CHECK(false);  // the check owns nothing
}

static raft_status reset(void *context) {
  Subject *self = context;
  const uint64_t voter = 1;
  disk_free(&self->disk);
  if (self->first_member) {
    disk_format(&self->disk, &voter, 1);
  }
  self->of_disk = disk_storage(&self->disk);
  self->reads.struct_size = sizeof self->reads;
  self->reads.context = self;
  self->reads.initial_state = initial_state;
  self->reads.entries = entries;
  self->reads.term = term;
  self->reads.first_index = first_index;
  self->reads.last_index = last_index;
  self->reads.snapshot = snapshot;
  self->reads.release = release;
  self->failing = false;
  self->longest = 0;
  return RAFT_OK;
}

static raft_status persist(void *context, const raft_persist *what) {
  Subject *self = context;
  if (self->failing) {
    return self->flaw == SWALLOWS_ERRORS ? RAFT_OK : RAFT_ERR_IO;
  }
  if (what->snapshot != NULL) {
    if (what->snapshot->index < self->disk.compacted.index && self->flaw != OLDER_SNAPSHOT_ACCEPTED) {
      return RAFT_ERR_OTHER;
    }
    disk_install(&self->disk, what->snapshot, what->snapshot_encoded);
  }
  disk_store(&self->disk, what->entries, what->entries_len);
  if (disk_last_index(&self->disk) > self->longest) {
    self->longest = disk_last_index(&self->disk);
  }
  if (what->hard_state != NULL) {
    self->disk.hard_state = *what->hard_state;
  }
  return RAFT_OK;
}

static raft_status compact(void *context, uint64_t index) {
  Subject *self = context;
  if (index <= self->disk.compacted.index) {
    return RAFT_ERR_COMPACTED;
  }
  if (index > self->disk.snapshot_index) {
    disk_snapshot(&self->disk, index, text("state"));
  }
  disk_compact(&self->disk, index);
  return RAFT_OK;
}

static raft_status reopen(void *context, int32_t how) {
  Subject *self = context;
  if (self->flaw == FORGETS_HARD_STATE) {
    memset(&self->disk.hard_state, 0, sizeof self->disk.hard_state);
  }
  if (how == RAFT_REOPEN_CRASHED && self->flaw == LOSES_SYNCED_WRITES && self->disk.log_len > 0) {
    free((void *)self->disk.log[--self->disk.log_len].data.data);
  }
  return RAFT_OK;
}

static raft_status set_failing(void *context, bool failing) {
  Subject *self = context;
  if (self->flaw == NO_DISK_FAILURE) {
    return RAFT_ERR_UNAVAILABLE;
  }
  self->failing = failing;
  return RAFT_OK;
}

static raft_checked_storage table_of(Subject *self) {
  raft_checked_storage table = {0};
  table.struct_size = sizeof table;
  table.context = self;
  table.storage = &self->reads;
  table.reset = reset;
  table.persist = persist;
  table.compact = compact;
  table.reopen = reopen;
  table.set_failing = set_failing;
  return table;
}

static void note(void *context, const raft_storage_finding *finding) {
  Findings *findings = context;
  CHECK(finding->struct_size >= sizeof *finding);
  CHECK(finding->rule[0] != '\0' && finding->demand[0] != '\0');
  switch (finding->outcome) {
    case RAFT_RULE_KEPT:
      CHECK(finding->expected[0] == '\0' && finding->got[0] == '\0');
      findings->kept++;
      break;
    case RAFT_RULE_BROKEN:
      CHECK(finding->expected[0] != '\0' && finding->got[0] != '\0');
      if (findings->broken++ == 0) {
        snprintf(findings->first_broken, sizeof findings->first_broken, "%s", finding->rule);
      }
      break;
    default:
      CHECK(finding->outcome == RAFT_RULE_NOT_CHECKED && finding->got[0] != '\0');
      findings->not_checked++;
  }
}

static raft_status check(Flaw flaw, bool first_member, Findings *findings) {
  Subject subject = {0};
  subject.flaw = flaw;
  subject.first_member = first_member;
  OK(reset(&subject));
  const raft_checked_storage table = table_of(&subject);
  memset(findings, 0, sizeof *findings);
  const raft_status status = raft_storage_check(&table, note, findings);
  disk_free(&subject.disk);
  return status;
}

static void a_good_disk_keeps_every_rule(void) {
  Findings findings;
  for (int member = 0; member < 2; member++) {
    OK(check(NO_FLAW, member == 1, &findings));
    CHECK(findings.kept > 40 && findings.broken == 0 && findings.not_checked == 1);
    OK(check(NO_DISK_FAILURE, member == 1, &findings));
    CHECK(findings.kept > 38 && findings.broken == 0 && findings.not_checked == 4);
  }
}

static void each_flaw_is_found_by_its_rule(void) {
  static const struct {
    Flaw flaw;
    const char *rule;
  } broken[] = {
      {READS_ONE_TOO_MANY, "range"},
      {PUSHES_NOTHING, "append"},
      {BOUNDARY_TERM_ONE_OFF, "compaction_boundary_term"},
      {SAYS_UNAVAILABLE_OF_COMPACTED, "term_compacted"},
      {SAYS_IO_OF_UNAVAILABLE, "range_beyond_last"},
      {OLDER_SNAPSHOT_ACCEPTED, "snapshot_older"},
      {KEEPS_CONFLICTING_TAIL, "overwrite_tail"},
      {FORGETS_HARD_STATE, "reopen_hard_state"},
      {LOSES_SYNCED_WRITES, "crash_synced"},
      {SWALLOWS_ERRORS, "failure_reported"},
  };
  char detail[512];
  Findings findings;
  for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
    EXPECT(check(broken[i].flaw, i % 2 == 0, &findings), RAFT_ERR_STORAGE);
    OK(raft_node_last_error(NULL, detail, sizeof detail, NULL));
    if (strcmp(findings.first_broken, broken[i].rule) != 0 || strstr(detail, broken[i].rule) == NULL) {
      fprintf(stderr, "flaw %d: expected %s\n%s\n", (int)broken[i].flaw, broken[i].rule, detail);
      exit(1);
    }
  }
}

static void misuse_is_an_error(void) {
  Subject subject = {0};
  OK(reset(&subject));
  const raft_checked_storage good = table_of(&subject);
  raft_checked_storage table = good;
  OK(raft_storage_check(&good, NULL, NULL));
  EXPECT(raft_storage_check(NULL, NULL, NULL), RAFT_ERR_INVALID_ARGUMENT);
  table.struct_size = 3;
  EXPECT(raft_storage_check(&table, NULL, NULL), RAFT_ERR_INVALID_ARGUMENT);
  table = good;
  table.storage = NULL;
  EXPECT(raft_storage_check(&table, NULL, NULL), RAFT_ERR_INVALID_ARGUMENT);
  table = good;
  table.reset = NULL;
  EXPECT(raft_storage_check(&table, NULL, NULL), RAFT_ERR_INVALID_ARGUMENT);
  table = good;
  table.persist = NULL;
  EXPECT(raft_storage_check(&table, NULL, NULL), RAFT_ERR_INVALID_ARGUMENT);
  table = good;
  table.compact = NULL;
  EXPECT(raft_storage_check(&table, NULL, NULL), RAFT_ERR_INVALID_ARGUMENT);
  subject.reads.term = NULL;
  EXPECT(raft_storage_check(&good, NULL, NULL), RAFT_ERR_INVALID_ARGUMENT);
  // Optional ones may be missing.
  OK(reset(&subject));
  table = good;
  table.reopen = NULL;
  table.set_failing = NULL;
  Findings findings = {0};
  OK(raft_storage_check(&table, note, &findings));
  CHECK(findings.not_checked == 11 && findings.broken == 0);
  disk_free(&subject.disk);
}

int main(void) {
  a_good_disk_keeps_every_rule();
  each_flaw_is_found_by_its_rule();
  misuse_is_an_error();
  return 0;
}
