use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::rc::Rc;

use serde_json::Value;

use super::super::{Course, Length, Report, run, trace};

#[derive(Clone, Default)]
struct Buffer(Rc<RefCell<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A run's lines, and what it was like.
fn traced(seed: u64, steps: u64) -> (Vec<Value>, Report) {
    let buffer = Buffer::default();
    let result = trace(&Course::of_seed(seed, Length::Events(steps)), 0, Box::new(buffer.clone()))
        .expect("memory can be written");
    let report = result.unwrap_or_else(|failure| panic!("seed {seed}: {}", failure.violation));
    let bytes = buffer.0.borrow();
    let text = std::str::from_utf8(&bytes).expect("JSON is UTF-8");
    (text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect(), report)
}

fn number(line: &Value, field: &str) -> u64 {
    line[field].as_u64().unwrap_or_else(|| panic!("no number {field} in {line}"))
}

/// A node's log as a reader of the trace rebuilds it: term by index.
#[derive(Default)]
struct Log {
    base: (u64, u64),
    terms: BTreeMap<u64, u64>,
}

impl Log {
    fn update(&mut self, line: &Value) {
        self.base = (number(&line["base"], "term"), number(&line["base"], "index"));
        let keep = number(line, "keep");
        self.terms.retain(|index, _| *index > self.base.1 && *index <= keep);
        for entry in line["entries"].as_array().expect("a list") {
            self.terms.insert(number(entry, "index"), number(entry, "term"));
        }
        let indexes: Vec<_> = self.terms.keys().copied().collect();
        let expected: Vec<_> = (self.base.1 + 1..).take(indexes.len()).collect();
        assert_eq!(indexes, expected, "no gap after {line}");
    }
}

#[test]
fn tracing_changes_nothing() {
    for seed in 0..6 {
        let (_, report) = traced(seed, 3000);
        assert_eq!(
            Ok(report),
            run(&Course::of_seed(seed, Length::Events(3000)), 0).map_err(|failure| failure.violation)
        );
    }
}

#[test]
fn messages_logs_and_nodes_can_be_followed() {
    let mut kinds = BTreeSet::new();
    // Pauses are rare: there is one in the last of these.
    for seed in (0..60).chain([101]) {
        let (lines, _) = traced(seed, 3000);
        assert_eq!(lines[0]["kind"], "run");
        assert_eq!(lines.last().expect("a line")["kind"], "end");
        let plan = lines[0]["plan"].as_str().expect("text");
        let mut copies = BTreeMap::<u64, (u64, u64, u64)>::new();
        let mut logs = BTreeMap::<u64, Log>::new();
        let mut running = BTreeSet::new();
        let mut time = 0;
        for line in &lines {
            let kind = line["kind"].as_str().expect("a kind");
            kinds.insert(kind.to_owned());
            assert!(number(line, "t") >= time, "time goes back: {line}");
            time = number(line, "t");
            match kind {
                "start" => assert!(running.insert(number(line, "node")), "{line}"),
                "crash" => assert!(running.remove(&number(line, "node")), "{line}"),
                "state" | "work" => assert!(running.contains(&number(line, "node")), "{line}"),
                "send" => {
                    let copy = (number(line, "node"), number(line, "to"), number(line, "copies").max(1));
                    assert!(copies.insert(number(line, "id"), copy).is_none(), "{line}");
                }
                "deliver" | "lost" => {
                    let copy = copies.get_mut(&number(line, "id")).expect("an earlier send");
                    copy.2 = copy.2.checked_sub(1).expect("not more arrive than were sent");
                    let (from, to) = if kind == "lost" { ("node", "to") } else { ("from", "node") };
                    assert_eq!((copy.0, copy.1), (number(line, from), number(line, to)), "{line}");
                }
                "log" => logs.entry(number(line, "node")).or_default().update(line),
                // Entries may be applied before they are written, if the host says so; each for itself if
                // the nodes are set up differently.
                "applied"
                    if !plan.contains("apply_before_persist: true") && !plan.contains("mixed: true") =>
                {
                    let log = &logs[&number(line, "node")];
                    let last = log.terms.last_key_value().map_or(log.base.1, |(index, _)| *index);
                    assert!(number(line, "index") <= last, "applied what is not in the log: {line}");
                }
                _ => {}
            }
        }
    }
    let format = include_str!("../../../../docs/trace.md");
    let documented: BTreeSet<_> = format
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(kind, _)| kind.to_owned())
        .collect();
    let unseen: Vec<_> = documented.difference(&kinds).collect();
    assert!(kinds.is_subset(&documented), "not documented: {:?}", kinds.difference(&documented));
    assert_eq!(unseen, ["violation"], "documented, but in no run");
}
