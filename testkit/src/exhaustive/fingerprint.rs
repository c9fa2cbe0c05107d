//! When two nodes are the same: a hash over everything they hold.
//!
//! It is taken from the nodes' `Debug` output, which names every field there is, so that a field added
//! to the library counts at once. What is left out, because nothing that can happen here depends on it:

use std::hash::{DefaultHasher, Hash, Hasher};

use raftcore::{Entry, MemoryStorage, RawNode};

/// The fields that do not count, and why.
const LEFT_OUT: [(&str, &str); 8] = [
    ("config", "the same for a node's whole life"),
    ("election_elapsed", "elections are inputs, and come at any time"),
    ("idle", "the same for ticks that the node does not know of yet"),
    ("leaderless_ticks", "lets a preference decay, and no node has one"),
    ("randomized_timeout", "never expires"),
    ("readies_since_tick", "decides when memory goes"),
    ("recent", "a copy of the log's end, all of which is stored between two deeds"),
    ("ticket", "identifies Readies; none is outstanding between two deeds"),
];

/// A hash over all that counts. The payloads are added, because `Debug` gives only their sizes.
pub(super) fn fingerprint(node: &RawNode<MemoryStorage>, log: &[Entry]) -> u64 {
    let text = canonical(&format!("{node:?}"));
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    for entry in log {
        entry.data.hash(&mut hasher);
    }
    hasher.finish()
}

/// The text without what does not count.
fn canonical(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    // A field's name follows the opening brace or a comma, and is followed by a colon.
    while let Some(colon) = rest.find(": ") {
        let (before, value) = rest.split_at(colon + 2);
        let name = before[..colon].rsplit([' ', '{']).next().unwrap_or_default();
        kept.push_str(before);
        rest = value;
        if LEFT_OUT.iter().any(|(left_out, _)| *left_out == name) {
            rest = &value[value_len(value)..];
        }
    }
    kept.push_str(rest);
    kept
}

/// Where a field's value ends: at a comma or brace outside of all its own brackets.
fn value_len(text: &str) -> usize {
    let mut depth = 0;
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' if depth > 0 => depth -= 1,
            b'}' | b']' | b')' => return place - usize::from(text.as_bytes().get(place - 1) == Some(&b' ')),
            b',' if depth == 0 => return place,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use raftcore::{ConfState, Config};

    use super::*;

    fn node() -> RawNode<MemoryStorage> {
        let storage = MemoryStorage::with_conf_state(ConfState::new([1], []));
        RawNode::new(Config::new(1), storage).unwrap()
    }

    #[test]
    fn what_does_not_count_is_cut_out_whole() {
        let text = "Node { config: Config { id: 1, list: [1, (2, 3)] }, term: 5, ticket: 7 }";
        assert_eq!(canonical(text), "Node { config: , term: 5, ticket:  }");
    }

    #[test]
    fn every_field_left_out_exists_and_the_others_count() {
        let mut node = node();
        let text = format!("{node:?}");
        for (field, _) in LEFT_OUT {
            assert!(text.contains(&format!(" {field}: ")), "there is no {field} any more");
        }
        let before = fingerprint(&node, &[]);
        node.tick().unwrap();
        assert_eq!(fingerprint(&node, &[]), before);
        node.campaign().unwrap();
        assert_ne!(fingerprint(&node, &[]), before);
    }
}
