//! Medians of several rounds, as text for people and as JSON for programs.

use serde::{Deserialize, Serialize};

/// Figures of one run.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Sample {
    pub(crate) proposals_per_second: Option<f64>,
    pub(crate) messages_per_proposal: Option<f64>,
    pub(crate) allocations_per_proposal: Option<f64>,
}

/// One line of output: what was asked for, and what came out. What does not apply is absent.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Measurement {
    pub(crate) command: &'static str,
    #[serde(rename = "impl")]
    pub(crate) implementation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nodes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) payload: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) encode: Option<bool>,
    /// Whether each batch was proposed in one call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at_once: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proposals: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proposals_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) messages_per_proposal: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allocations_per_proposal: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) groups: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_per_group: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tick_ns: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entries: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entries_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<f64>,
    /// Entries that were read from the storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entries_read: Option<u64>,
    /// Calls of the storage, those that read entries included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) storage_calls: Option<u64>,
    /// Bytes of the snapshot's data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) snapshot_bytes: Option<u64>,
    /// Bytes that were allocated while it was handed over: a copy would need as many as it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allocated_bytes: Option<u64>,
    /// What was restarted, and how far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) case: Option<&'static str>,
    pub(crate) rounds: usize,
    /// (largest - smallest) / median of the figure that is timed.
    pub(crate) spread: f64,
    /// The timed figure against that of raft-rs in the same run: above 1 is better.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<f64>,
    /// That all nodes applied the same sequence; a run in which they did not has no output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verified: Option<bool>,
}

/// Median and spread of some figures; `None` if there are none.
pub(crate) fn median(figures: &[f64]) -> Option<(f64, f64)> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (smallest, largest) = (*sorted.first()?, *sorted.last()?);
    let middle = sorted.len() / 2;
    let median =
        if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
    Some((median, (largest - smallest) / median))
}

/// A number for people: 1234567 as 1,234,567.
pub(crate) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some((3.0, 0.0)));
        assert_eq!(median(&[4.0, 1.0, 2.0]), Some((2.0, 1.5)));
        assert_eq!(median(&[1.0, 3.0]), Some((2.0, 1.0)));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(12.4), "12");
        assert_eq!(grouped(1_234_567.0), "1,234,567");
        assert_eq!(grouped(123_456.0), "123,456");
    }
}
