//! The list of rules, the basic ones first.

use super::subject::{Checked, Subject};
use super::{rules_of_log as log, rules_of_restart as restart, rules_of_snapshot as snapshot};

/// Name, demand, and how it is tried.
pub(super) type Rule = (&'static str, &'static str, fn(&mut Subject<'_>) -> Checked);

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = &[
    ("fresh", "a fresh storage is empty, or that of a group's first member", log::fresh),
    ("append", "appended entries are there, and nothing else", log::append),
    ("append_in_parts", "entries appended one after the other are one log", log::append_in_parts),
    ("entry_fields", "kind, flags and payload come back as they were stored", log::entry_fields),
    ("range", "every range gives the entries in it and no other", log::range),
    ("range_limit", "a range gives no more than max_bytes, except for its first entry", log::range_limit),
    ("range_at_least_one", "a range gives its first entry, however large", log::range_at_least_one),
    ("range_empty", "an empty range gives no entry", log::range_empty),
    ("range_beyond_last", "a range that reaches beyond the log is unavailable", log::range_beyond_last),
    ("term_beyond_last", "a term beyond the log is unavailable", log::term_beyond_last),
    ("many_entries", "entries are ordered by their index as a number", log::many_entries),
    ("overwrite_content", "an entry replaces what was stored at its index", log::overwrite_content),
    ("overwrite_last_index", "the log ends with the last entry that replaced others", log::overwrite_last_index),
    ("overwrite_tail", "what was stored behind replaced entries is gone for good", log::overwrite_tail),
    ("overwrite_all", "the whole log can be replaced", log::overwrite_all),
    ("write_again", "the same entries may be stored again, and change nothing", log::write_again),
    ("compaction", "compaction moves the first index and nothing else", log::compaction),
    ("compaction_boundary_term", "the term of the last compacted entry is known", log::compaction_boundary_term),
    ("term_compacted", "terms before the last compacted entry are compacted", log::term_compacted),
    ("range_compacted", "ranges that begin before the first index are compacted", log::range_compacted),
    ("compaction_of_all", "a log that is compacted to its end goes on behind it", log::compaction_of_all),
    ("compaction_again", "what is compacted stays so when an earlier index is compacted", log::compaction_again),
    ("overwrite_compacted", "a conflict right behind the compacted prefix is resolved as any other", log::overwrite_compacted),
    ("snapshot_bounds", "behind an installed snapshot the log is empty", snapshot::bounds),
    ("snapshot_term", "the term of an installed snapshot is known", snapshot::term),
    ("snapshot_replaces_log", "a snapshot replaces the whole log, what is behind it too", snapshot::replaces_log),
    ("snapshot_then_entries", "the log goes on right behind an installed snapshot", snapshot::then_entries),
    ("snapshot_with_entries", "a snapshot and the entries behind it may come in one batch", snapshot::with_entries),
    ("snapshot_membership", "an installed snapshot brings its membership", snapshot::membership),
    ("snapshot_older", "a snapshot older than the compacted prefix is refused or ignored", snapshot::older),
    ("snapshot_covers", "the snapshot to send covers what is compacted", snapshot::covers),
    ("snapshot_for_peer", "a snapshot made for a peer covers what is compacted, and lists the peer", snapshot::for_peer),
    ("hard_state", "term, vote and commit index come back as they were", restart::hard_state),
    ("hard_state_replaced", "the hard state stored last is the one that counts", restart::hard_state_replaced),
    ("hard_state_kept", "compaction leaves the hard state as it is", restart::hard_state_kept),
    ("reopen_log", "the log is found again", restart::reopen_log),
    ("reopen_hard_state", "the hard state is found again", restart::reopen_hard_state),
    ("reopen_overwrite", "what was replaced is gone after opening again too", restart::reopen_overwrite),
    ("reopen_compaction", "the compacted prefix is remembered, its last term too", restart::reopen_compaction),
    ("reopen_snapshot", "an installed snapshot is found again", restart::reopen_snapshot),
    ("large_numbers", "terms and indexes of 64 bits come back as they were", snapshot::large_numbers),
    ("crash_synced", "what was to be synced is there after a crash", restart::crash_synced),
    ("crash_whole_writes", "a crash loses the latest writes, and each of them whole", restart::crash_whole_writes),
    ("failure_reported", "a storage that cannot read or write says so, and not that it has nothing", restart::failure_reported),
    ("failure_passes", "what failed can be repeated, and nothing is lost meanwhile", restart::failure_passes),
    ("crash_failed_write", "a write that failed is there as a whole after a crash, or not at all", restart::crash_failed_write),
];
