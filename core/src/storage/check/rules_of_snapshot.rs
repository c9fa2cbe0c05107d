//! Snapshots that come from a leader, and those that a leader sends.

use super::subject::{
    Checked, Log, Stop, Subject, answer, broken, compare, entry, installation, snapshot, sorted,
};
use super::{Reopen, Write};
use crate::error::StorageError;
use crate::message::Snapshot;
use crate::types::{EntryId, Index};

const BEYOND: &str = "after installing a snapshot beyond the log";

/// Three entries, and a snapshot far behind them. What the log should be then.
fn installed_beyond(subject: &mut Subject<'_>) -> Checked<Log> {
    subject.filled(&[1, 1, 2])?;
    let id = EntryId::new(4, subject.at(20));
    subject.install(&snapshot(id))?;
    Ok(Log { boundary: id, entries: Vec::new() })
}

pub(super) fn bounds(subject: &mut Subject<'_>) -> Checked {
    let log = installed_beyond(subject)?;
    subject.has_bounds(BEYOND, &log)
}

pub(super) fn term(subject: &mut Subject<'_>) -> Checked {
    let log = installed_beyond(subject)?;
    subject.has_term(BEYOND, log.boundary.index, Ok(log.boundary.term))
}

pub(super) fn replaces_log(subject: &mut Subject<'_>) -> Checked {
    let places = [(BEYOND, 20), ("after installing a snapshot in the middle of the log", 3)];
    for (when, place) in places {
        subject.renew()?;
        subject.filled(&[1, 1, 1, 1, 1])?;
        let id = EntryId::new(4, subject.at(place));
        subject.install(&snapshot(id))?;
        subject.has_bounds(when, &Log { boundary: id, entries: Vec::new() })?;
        for index in 1..id.index {
            subject.has_term(when, index, Err(StorageError::Compacted))?;
        }
        subject.has_no_range(when, (subject.at(1), subject.at(2)), StorageError::Compacted)?;
        for index in [id.index + 1, id.index + 2] {
            subject.has_term(when, index, Err(StorageError::Unavailable))?;
            subject.has_no_range(when, (index, index + 1), StorageError::Unavailable)?;
        }
    }
    Ok(())
}

pub(super) fn then_entries(subject: &mut Subject<'_>) -> Checked {
    let mut log = installed_beyond(subject)?;
    let next = log.boundary.index + 1;
    subject.append(&mut log, vec![entry(EntryId::new(4, next)), entry(EntryId::new(5, next + 1))])?;
    let when = "after installing a snapshot and appending two entries";
    subject.holds(when, &log)?;
    subject.has_term(when, log.boundary.index, Ok(log.boundary.term))
}

pub(super) fn with_entries(subject: &mut Subject<'_>) -> Checked {
    subject.filled(&[1, 1, 1, 1, 1])?;
    let boundary = EntryId::new(4, subject.at(3));
    let entries = vec![entry(EntryId::new(4, boundary.index + 1))];
    subject.persist(&Write { entries: entries.clone(), ..installation(&snapshot(boundary)) })?;
    let log = Log { boundary, entries };
    let when = "after a snapshot and an entry behind it in one batch";
    subject.holds(when, &log)?;
    subject.has_term(when, log.last().index + 1, Err(StorageError::Unavailable))
}

pub(super) fn membership(subject: &mut Subject<'_>) -> Checked {
    let log = installed_beyond(subject)?;
    subject.has_members(BEYOND, &snapshot(log.boundary).conf_state)
}

pub(super) fn older(subject: &mut Subject<'_>) -> Checked {
    let mut log = installed_beyond(subject)?;
    let next = log.boundary.index + 1;
    subject.append(&mut log, vec![entry(EntryId::new(4, next))])?;
    let old = snapshot(EntryId::new(3, subject.at(10)));
    // An error is as good as doing nothing.
    let _ = subject.storage.persist(&Write { snapshot: Some(old), ..Write::default() });
    let when = "after being given a snapshot that is older than the log's begin";
    subject.holds(when, &log)?;
    subject.has_term(when, log.boundary.index, Ok(log.boundary.term))
}

/// A snapshot made here is as good as one that came: what is older than it is late, too.
pub(super) fn order(subject: &mut Subject<'_>) -> Checked {
    let mut log = installed_beyond(subject)?;
    let next = log.boundary.index + 1;
    let entries = (next..next + 4).map(|index| entry(EntryId::new(4, index))).collect();
    subject.append(&mut log, entries)?;
    subject.compact(&mut log, next + 1)?;
    let made = to_send(subject)?;
    for index in [next, next - 1, subject.at(10)] {
        let old = snapshot(EntryId::new(4, index));
        // An error is as good as doing nothing.
        let _ = subject.storage.persist(&Write { snapshot: Some(old), must_sync: true, ..Write::default() });
        let when = format!("after compacting up to {} and being given a snapshot at {index}", next + 1);
        subject.holds(&when, &log)?;
        compare(&when, "snapshot()'s id", Ok(made.id), Ok(to_send(subject)?.id))?;
    }
    Ok(())
}

pub(super) fn covers(subject: &mut Subject<'_>) -> Checked {
    let mut log = installed_beyond(subject)?;
    let got = to_send(subject)?;
    sendable(BEYOND, &got, &log)?;
    let expected = snapshot(log.boundary).conf_state;
    compare(BEYOND, "snapshot()'s membership", Ok(expected), Ok(sorted(got.conf_state)))?;
    let next = log.boundary.index + 1;
    subject.append(&mut log, vec![entry(EntryId::new(4, next)), entry(EntryId::new(5, next + 1))])?;
    subject.compact(&mut log, next)?;
    let got = to_send(subject)?;
    sendable("after compacting one more entry", &got, &log)
}

pub(super) fn for_peer(subject: &mut Subject<'_>) -> Checked {
    let log = installed_beyond(subject)?;
    for peer in snapshot(log.boundary).conf_state.voters {
        let got = made(&format!("snapshot_for({peer})"), || subject.storage.snapshot_for(peer))?;
        sendable(BEYOND, &got, &log)?;
        let what = format!("whether snapshot_for({peer}) lists the peer");
        compare(BEYOND, &what, Ok(true), Ok(got.conf_state.contains(peer)))?;
    }
    Ok(())
}

fn to_send(subject: &Subject<'_>) -> Checked<Snapshot> {
    made("snapshot()", || subject.storage.snapshot())
}

/// A snapshot to send, asked for a few times: one that is made aside may need that.
fn made(what: &str, ask: impl Fn() -> Result<Snapshot, StorageError>) -> Checked<Snapshot> {
    const TIMES: usize = 10;
    for _ in 0..TIMES {
        match ask() {
            Ok(snapshot) => return Ok(snapshot),
            Err(StorageError::SnapshotUnavailable) => {}
            Err(error) => {
                let expected = format!("{what}: one, or that it is not available right now");
                return Err(broken(expected, format_args!("{what}: {error}")));
            }
        }
    }
    Err(Stop::NotChecked("the storage says, again and again, that no snapshot is available right now"))
}

fn sendable(when: &str, got: &Snapshot, log: &Log) -> Checked {
    let EntryId { term, index } = got.id;
    let (from, to): (Index, Index) = (log.boundary.index, log.last().index);
    if !(from..=to).contains(&index) {
        let expected = format_args!("{when}: snapshot() at an index from {from} to {to}").to_string();
        return Err(broken(expected, format_args!("one at index {index}")));
    }
    let stored = log.entries.iter().find(|entry| entry.index() == index);
    let expected = stored.map_or(log.boundary.term, |entry| entry.term());
    compare(when, "snapshot()'s term", Ok(expected), Ok(term))
}

/// Beyond 32 bits, beyond what a double holds exactly, and beyond numbers with a sign.
pub(super) fn large_numbers(subject: &mut Subject<'_>) -> Checked {
    const SIGN: u64 = 1 << 63;
    const PLACES: [(u64, u64); 5] = [
        (1 << 33, (1 << 32) - 1),
        (1 << 40, 1 << 40),
        ((1 << 54) + 1, (1 << 54) + 1),
        (SIGN - 2, SIGN - 2),
        (u64::MAX - 9, u64::MAX - 9),
    ];
    for (term, index) in PLACES {
        subject.renew()?;
        let id = EntryId::new(term, index);
        subject.install(&snapshot(id))?;
        let mut log = Log { boundary: id, entries: Vec::new() };
        subject.append(&mut log, (1..=3).map(|at| entry(EntryId::new(term + at, index + at))).collect())?;
        let when = "with terms and indexes of more than 32 bits";
        subject.holds(when, &log)?;
        if answer("reopen(Closed)", subject.storage.reopen(Reopen::Closed))? {
            subject.holds("with large terms and indexes, opened again", &log)?;
        }
        subject.has_term(when, index, Ok(term))?;
    }
    Ok(())
}
