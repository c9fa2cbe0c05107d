//! The hard state, opening again, crashes, and storages that fail.

use super::subject::{Checked, Log, Stop, Subject, answer, broken, compare, entry, snapshot, sorted};
use super::{Reopen, Write};
use crate::error::StorageError;
use crate::membership::ConfState;
use crate::message::Snapshot;
use crate::types::{EntryId, HardState};

fn state(term: u64, vote: u64, commit: u64) -> Write {
    let hard_state = Some(HardState { term, vote, commit });
    Write { hard_state, must_sync: true, ..Write::default() }
}

pub(super) fn hard_state(subject: &mut Subject<'_>) -> Checked {
    subject.filled(&[1, 1, 2])?;
    let commit = subject.at(2);
    subject.persist(&state(5, 3, commit))?;
    subject.has_hard_state("after storing it", HardState { term: 5, vote: 3, commit })
}

pub(super) fn hard_state_replaced(subject: &mut Subject<'_>) -> Checked {
    subject.filled(&[1, 1, 2])?;
    let commit = subject.at(1);
    subject.persist(&state(5, 3, commit))?;
    // A later term comes without a vote.
    subject.persist(&state(6, 0, commit))?;
    let expected = HardState { term: 6, vote: 0, commit };
    subject.has_hard_state("after storing two, the second without a vote", expected)?;
    let entries = subject.entries(4, &[6]);
    subject.persist(&Write { entries, must_sync: true, ..Write::default() })?;
    subject.has_hard_state("after storing an entry without one", expected)
}

/// A node that finds a log and no hard state does not start: it may have voted.
pub(super) fn hard_state_kept(subject: &mut Subject<'_>) -> Checked {
    let mut log = subject.filled(&[1, 1, 2])?;
    for place in 2..=3 {
        let index = subject.at(place);
        subject.compact(&mut log, index)?;
        let expected = HardState { term: 2, vote: 0, commit: index };
        subject.has_hard_state("after compaction", expected)?;
    }
    Ok(())
}

pub(super) fn large_ids(subject: &mut Subject<'_>) -> Checked {
    const IDS: [u64; 4] = [1, (1 << 63) - 1, 1 << 63, u64::MAX];
    for id in IDS {
        subject.renew()?;
        subject.filled(&[1, 1])?;
        let commit = subject.at(1);
        subject.persist(&state(2, id, commit))?;
        let when = format!("after storing a vote for {id}");
        subject.has_hard_state(&when, HardState { term: 2, vote: id, commit })?;
    }
    subject.renew()?;
    let conf_state = ConfState::new(IDS, [u64::MAX - 1]);
    let large = Snapshot { conf_state, ..snapshot(EntryId::new(4, subject.at(20))) };
    subject.install(&large)?;
    subject.has_members("after installing a snapshot with large ids", &large.conf_state)
}

pub(super) fn open_twice(subject: &mut Subject<'_>) -> Checked {
    let log = subject.filled(&[1, 1, 2])?;
    match subject.storage.open_twice() {
        None => return Err(Stop::NotChecked("the storage offers no way to open it a second time")),
        Some(Ok(())) => return Err(broken("open_twice(): an error", "open_twice(): it is open twice")),
        Some(Err(_)) => {}
    }
    subject.holds("after a second opener was refused", &log)?;
    subject.reopen(Reopen::Closed)?;
    subject.holds("after a second opener was refused, and opening again", &log)
}

pub(super) fn reopen_log(subject: &mut Subject<'_>) -> Checked {
    let log = subject.filled(&[1, 1, 2])?;
    subject.reopen(Reopen::Closed)?;
    subject.holds("after opening again", &log)
}

pub(super) fn reopen_hard_state(subject: &mut Subject<'_>) -> Checked {
    subject.filled(&[1, 1, 2])?;
    let expected = HardState { term: 5, vote: 3, commit: subject.at(2) };
    subject.persist(&state(expected.term, expected.vote, expected.commit))?;
    subject.reopen(Reopen::Closed)?;
    let got = subject.storage.initial_state().map(|(hard_state, _)| hard_state);
    compare("after opening again", "the hard state", Ok(expected), got)
}

pub(super) fn reopen_overwrite(subject: &mut Subject<'_>) -> Checked {
    let mut log = subject.filled(&[1, 1, 1, 1, 1])?;
    let entries = subject.entries(2, &[2]);
    subject.append(&mut log, entries)?;
    subject.reopen(Reopen::Closed)?;
    let when = "after replacing the second of five entries and opening again";
    subject.holds(when, &log)?;
    for place in 3..=5 {
        subject.has_term(when, subject.at(place), Err(StorageError::Unavailable))?;
    }
    let entries = subject.entries(3, &[2]);
    subject.append(&mut log, entries)?;
    subject.holds("after appending one more then", &log)
}

pub(super) fn reopen_compaction(subject: &mut Subject<'_>) -> Checked {
    for compacted in [3, 5] {
        subject.renew()?;
        let mut log = subject.filled(&[1, 2, 3, 4, 5])?;
        let index = subject.at(compacted);
        subject.compact(&mut log, index)?;
        subject.reopen(Reopen::Closed)?;
        let when = format!("after compacting {compacted} of five entries and opening again");
        subject.holds(&when, &log)?;
        subject.has_term(&when, index, Ok(compacted))?;
        subject.has_term(&when, index - 1, Err(StorageError::Compacted))?;
    }
    Ok(())
}

pub(super) fn reopen_snapshot(subject: &mut Subject<'_>) -> Checked {
    subject.filled(&[1, 1, 1, 1, 1])?;
    let id = EntryId::new(4, subject.at(3));
    subject.install(&snapshot(id))?;
    subject.reopen(Reopen::Closed)?;
    let when = "after installing a snapshot in the middle of the log and opening again";
    let mut log = Log { boundary: id, entries: Vec::new() };
    subject.has_bounds(when, &log)?;
    subject.has_term(when, id.index, Ok(id.term))?;
    subject.has_term(when, id.index + 1, Err(StorageError::Unavailable))?;
    let members = subject.storage.initial_state().map(|(_, members)| sorted(members));
    compare(when, "the membership", Ok(snapshot(id).conf_state), members)?;
    subject.append(&mut log, vec![entry(EntryId::new(4, id.index + 1))])?;
    subject.reopen(Reopen::Closed)?;
    subject.holds("after appending an entry to it and opening again", &log)
}

// ---- Crashes -------------------------------------------------------------------------------------

/// A write, and what a storage should hold after it.
type Step = (Write, Log, HardState);

/// Writes as a node gives them.
fn script(subject: &Subject<'_>) -> Vec<Step> {
    let at = |place| subject.at(place);
    let with = |entries, term, commit, must_sync| {
        let hard_state = Some(HardState { term, vote: 2, commit });
        Write { entries, hard_state, must_sync, snapshot: None }
    };
    let base = subject.base.index;
    let far = snapshot(EntryId::new(4, at(9)));
    let next = entry(EntryId::new(5, at(10)));
    let writes = [
        with(subject.entries(1, &[1, 1, 1]), 1, base, true),
        with(Vec::new(), 1, at(1), false), // a commit index alone
        with(subject.entries(3, &[2, 2]), 2, at(1), true), // a conflict
        with(subject.entries(4, &[3]), 3, at(2), true),
        with(Vec::new(), 3, at(4), false),
        with(Vec::new(), 4, at(4), true), // a vote
        Write { snapshot: Some(far), ..with(Vec::new(), 4, at(9), true) },
        with(vec![next], 5, at(9), true),
        with(Vec::new(), 5, at(10), false),
    ];
    let mut log = subject.empty_log();
    let mut script = Vec::new();
    for write in writes {
        if let Some(snapshot) = &write.snapshot {
            log = Log { boundary: snapshot.id, entries: Vec::new() };
        }
        log.store(&write.entries);
        let hard_state = write.hard_state.unwrap_or_default();
        script.push((write, log.clone(), hard_state));
    }
    script
}

/// Crashes after each write of the script; `judge` gets what is allowed to be there then.
fn crashes(subject: &mut Subject<'_>, judge: fn(&Subject<'_>, &str, &[Step]) -> Checked) -> Checked {
    let script = script(subject);
    for count in 1..=script.len() {
        subject.renew()?;
        let written = script.get(..count).unwrap_or_default();
        for (write, _, _) in written {
            subject.persist(write)?;
        }
        subject.reopen(Reopen::Crashed)?;
        let synced = written.iter().rposition(|(write, _, _)| write.must_sync).unwrap_or(0);
        let allowed = written.get(synced..).unwrap_or_default();
        judge(subject, &format!("after {count} writes and a crash"), allowed)?;
    }
    Ok(())
}

/// The term, the vote and the end of the log are what a node has promised.
pub(super) fn crash_synced(subject: &mut Subject<'_>) -> Checked {
    crashes(subject, |subject, when, allowed| {
        let Some((_, log, hard_state)) = allowed.first() else { return Ok(()) };
        let (got, _) = answer("initial_state()", subject.storage.initial_state())?;
        let promised = |state: HardState| (state.term, state.vote);
        compare(when, "term and vote", Ok(promised(*hard_state)), Ok(promised(got)))?;
        subject.holds(when, log)?;
        subject.has_term(when, log.boundary.index, Ok(log.boundary.term))
    })
}

/// The state is that after one of the writes since the last sync.
pub(super) fn crash_whole_writes(subject: &mut Subject<'_>) -> Checked {
    crashes(subject, is_whole)
}

fn is_whole(subject: &Subject<'_>, when: &str, allowed: &[Step]) -> Checked {
    let (got, _) = answer("initial_state()", subject.storage.initial_state())?;
    let whole =
        allowed.iter().any(|(_, log, hard_state)| *hard_state == got && subject.holds(when, log).is_ok());
    if whole {
        return Ok(());
    }
    let states: Vec<_> = allowed.iter().map(|(_, _, hard_state)| hard_state).collect();
    Err(broken(
        format_args!("{when}: the state after one of the last writes, with a hard state of {states:?}"),
        format_args!("{got:?}, last_index() = {:?}", subject.storage.last_index()),
    ))
}

// ---- Failures ------------------------------------------------------------------------------------

fn break_down(subject: &mut Subject<'_>) -> Checked {
    match subject.storage.set_failing(true) {
        true => Ok(()),
        false => Err(Stop::NotChecked("the storage offers no way to make it fail")),
    }
}

/// What is said of a storage that cannot answer: an error, and none that is an answer.
fn is_failure<T>(what: &str, got: Result<T, StorageError>) -> Checked {
    use StorageError::{Compacted, SnapshotUnavailable, Unavailable};
    let expected = format!("{what} while nothing can be read or written: an error of its own");
    match got {
        Ok(_) => Err(broken(expected, "an answer as if nothing had happened")),
        Err(error @ (Compacted | Unavailable | SnapshotUnavailable)) => {
            Err(broken(expected, format_args!("{what}: {error}")))
        }
        Err(_) => Ok(()),
    }
}

pub(super) fn failure_reported(subject: &mut Subject<'_>) -> Checked {
    let log = subject.filled(&[1, 1, 2])?;
    break_down(subject)?;
    let (first, end) = (subject.at(1), subject.at(4));
    let reads = is_failure("entries()", subject.storage.entries(first, end, u64::MAX));
    let writes = subject.entries(4, &[2]);
    let write = Write { entries: writes, must_sync: true, ..Write::default() };
    let wrote = is_failure("persist()", subject.storage.persist(&write));
    let _ = subject.storage.set_failing(false);
    reads.and(wrote)?;
    subject.holds("after a failure", &log)
}

pub(super) fn failure_passes(subject: &mut Subject<'_>) -> Checked {
    let mut log = subject.filled(&[1, 1, 1, 1])?;
    break_down(subject)?;
    let entries = subject.entries(3, &[2]);
    let write = Write { entries: entries.clone(), ..state(2, 3, subject.base.index) };
    // Whatever these say: what counts is how it is afterwards.
    let _ = subject.storage.persist(&write);
    let _ = subject.storage.term(subject.at(1));
    let _ = subject.storage.set_failing(false);
    subject.holds("after a write that failed", &log)?;
    log.store(&entries);
    subject.persist(&write)?;
    subject.holds("after the same write again", &log)?;
    subject.has_hard_state("after the same write again", write.hard_state.unwrap_or_default())
}

/// Both at once: the write stops somewhere, and then the power goes.
pub(super) fn crash_failed_write(subject: &mut Subject<'_>) -> Checked {
    let script = script(subject);
    for count in 1..script.len() {
        let (written, rest) = script.split_at(count);
        let Some((failing, _, _)) = rest.first() else { break };
        subject.renew()?;
        for (write, _, _) in written {
            subject.persist(write)?;
        }
        break_down(subject)?;
        let _ = subject.storage.persist(failing);
        let reopened = subject.reopen(Reopen::Crashed);
        let _ = subject.storage.set_failing(false);
        reopened?;
        let synced = written.iter().rposition(|(write, _, _)| write.must_sync).unwrap_or(0);
        let allowed = script.get(synced..=count).unwrap_or_default();
        is_whole(subject, &format!("after {count} writes, one that failed, and a crash"), allowed)?;
    }
    Ok(())
}
