//! What passes between the simulator and a host: frames of numbers and bytes, little-endian.

use raftcore::{Bytes, ConfState, Entry, EntryId, EntryKind, HardState, Snapshot};

/// Ends the run: what a host says makes no sense. The simulation reports it as a breach.
pub(super) fn broken(what: impl std::fmt::Display) -> ! {
    panic!("the host broke the protocol: {what}")
}

/// A frame that is being written: four bytes of length, then its fields.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// Begins a new frame.
    pub(super) fn begin(&mut self) {
        self.0.clear();
        self.0.extend([0; 4]);
    }

    /// The frame as it is sent.
    pub(super) fn finish(&mut self) -> &[u8] {
        let length = u32::try_from(self.0.len() - 4).expect("frames are small");
        self.0[..4].copy_from_slice(&length.to_le_bytes());
        &self.0
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.byte(u8::from(flag));
    }

    pub(super) fn number(&mut self, number: u64) {
        self.0.extend(number.to_le_bytes());
    }

    pub(super) fn numbers(&mut self, numbers: &[u64]) {
        self.number(numbers.len() as u64);
        numbers.iter().for_each(|number| self.number(*number));
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend(bytes);
    }

    pub(super) fn hard_state(&mut self, state: HardState) {
        [state.term, state.vote, state.commit].into_iter().for_each(|number| self.number(number));
    }

    pub(super) fn conf_state(&mut self, state: &ConfState) {
        for ids in [&state.voters, &state.learners, &state.voters_outgoing, &state.learners_next] {
            self.numbers(ids);
        }
        self.flag(state.auto_leave);
    }

    pub(super) fn entry(&mut self, entry: &Entry) {
        self.number(entry.id.term);
        self.number(entry.id.index);
        self.byte(match entry.kind {
            EntryKind::Normal => 0,
            EntryKind::ConfChange => 1,
            EntryKind::ConfChangeV2 => 2,
        });
        self.flag(entry.kind_stated());
        self.bytes(&entry.data);
    }

    pub(super) fn entries(&mut self, entries: &[Entry]) {
        self.number(entries.len() as u64);
        entries.iter().for_each(|entry| self.entry(entry));
    }

    pub(super) fn snapshot(&mut self, snapshot: &Snapshot) {
        self.number(snapshot.id.term);
        self.number(snapshot.id.index);
        self.conf_state(&snapshot.conf_state);
        self.bytes(&snapshot.data);
    }
}

/// A frame that is being read.
#[derive(Debug)]
pub(super) struct Reader(Bytes);

impl Reader {
    pub(super) fn new(frame: Vec<u8>) -> Self {
        Self(frame.into())
    }

    /// All fields must have been read.
    pub(super) fn end(&self) {
        if !self.0.is_empty() {
            broken(format_args!("{} bytes too many", self.0.len()));
        }
    }

    fn take(&mut self, length: usize) -> Bytes {
        if self.0.len() < length {
            broken(format_args!("{length} bytes expected, {} are left", self.0.len()));
        }
        self.0.split_to(length)
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    pub(super) fn flag(&mut self) -> bool {
        match self.byte() {
            0 => false,
            1 => true,
            other => broken(format_args!("{other} is no flag")),
        }
    }

    pub(super) fn number(&mut self) -> u64 {
        let bytes = self.take(8);
        bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// Items that are preceded by their number.
    pub(super) fn list<T>(&mut self, item: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..self.number()).map(|_| item(self)).collect()
    }

    pub(super) fn bytes(&mut self) -> Bytes {
        let length = self.number();
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    pub(super) fn hard_state(&mut self) -> HardState {
        HardState { term: self.number(), vote: self.number(), commit: self.number() }
    }

    pub(super) fn conf_state(&mut self) -> ConfState {
        ConfState {
            voters: self.list(Self::number),
            learners: self.list(Self::number),
            voters_outgoing: self.list(Self::number),
            learners_next: self.list(Self::number),
            auto_leave: self.flag(),
        }
    }

    pub(super) fn entry_id(&mut self) -> EntryId {
        EntryId::new(self.number(), self.number())
    }

    pub(super) fn entry(&mut self) -> Entry {
        let id = self.entry_id();
        let kind = match self.byte() {
            0 => EntryKind::Normal,
            1 => EntryKind::ConfChange,
            2 => EntryKind::ConfChangeV2,
            other => broken(format_args!("{other} is no kind of entry")),
        };
        let stated = self.flag();
        Entry::new(id, kind, self.bytes()).with_kind_stated(stated)
    }

    pub(super) fn snapshot(&mut self) -> Snapshot {
        Snapshot { id: self.entry_id(), conf_state: self.conf_state(), data: self.bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_the_way() {
        let conf_state = ConfState { voters: vec![1, 2], learners_next: vec![3], ..ConfState::default() };
        let snapshot = Snapshot { id: EntryId::new(3, 4), conf_state, data: Bytes::from_static(b"abc") };
        let entry = Entry::refused().at(EntryId::new(u64::MAX, 2));
        let mut writer = Writer::default();
        writer.begin();
        writer.snapshot(&snapshot);
        writer.entries(std::slice::from_ref(&entry));
        writer.hard_state(HardState { term: 1, vote: 2, commit: 3 });
        let frame = writer.finish();
        assert_eq!(frame.len(), 4 + u32::from_le_bytes(frame[..4].try_into().unwrap()) as usize);
        let mut reader = Reader::new(frame[4..].to_vec());
        assert_eq!(reader.snapshot(), snapshot);
        assert_eq!(reader.list(Reader::entry), [entry]);
        assert_eq!(reader.hard_state(), HardState { term: 1, vote: 2, commit: 3 });
        reader.end();
    }

    #[test]
    #[should_panic(expected = "8 bytes expected, 1 are left")]
    fn a_short_frame_is_noticed() {
        Reader::new(vec![1]).number();
    }
}
