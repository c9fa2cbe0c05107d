//! Actions as text: a verb and its arguments, `crash 2 30`. Times are in ticks, `0.05` is one
//! twentieth; a node is a number, `leader` or `follower`; a link is `1>2`, both directions `1-2`.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use raftcore::{ConfChangeKind, ConfChangeOp, NodeId, Transition};

use super::super::plan::TICK;
use super::super::situations::Situation;
use super::{Action, Link, Target};

/// A time as text, in ticks.
pub(in super::super) struct Time(pub(in super::super) u64);

impl Display for Time {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (self.0 / TICK, self.0 % TICK) {
            (ticks, 0) => write!(f, "{ticks}"),
            (ticks, rest) => write!(f, "{ticks}.{rest:02}"),
        }
    }
}

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a time in ticks, like 12 or 0.05");
        let (ticks, rest) = text.split_once('.').unwrap_or((text, "0"));
        let digits: u64 = rest.parse().map_err(|_| wrong())?;
        let hundredths = match rest.len() {
            1 => digits * 10,
            2 => digits,
            _ => return Err(wrong()),
        };
        let ticks: u64 = ticks.parse().map_err(|_| wrong())?;
        ticks.checked_mul(TICK).and_then(|time| time.checked_add(hundredths)).map(Self).ok_or_else(wrong)
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(id) => write!(f, "{id}"),
            Self::Leader => f.write_str("leader"),
            Self::Follower => f.write_str("follower"),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "leader" => Ok(Self::Leader),
            "follower" => Ok(Self::Follower),
            id => number(id).map(Self::Node),
        }
    }
}

struct Links<'a>(&'a [Link]);

impl Display for Links<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(from, to)| write!(f, " {from}>{to}"))
    }
}

fn parse_links(words: &[&str]) -> Result<Vec<Link>, String> {
    let mut links = Vec::new();
    for word in words {
        let wrong = || format!("{word:?} is not a link, like 1>2 or 1-2");
        let both = word.split_once('-');
        let (from, to) = word.split_once('>').or(both).ok_or_else(wrong)?;
        let (from, to) = (number(from)?, number(to)?);
        links.push((from, to));
        if both.is_some() {
            links.push((to, from));
        }
    }
    if links.is_empty() { Err("a link is missing, like 1>2".to_owned()) } else { Ok(links) }
}

const KINDS: [(&str, ConfChangeKind); 4] = [
    ("voter", ConfChangeKind::AddVoter),
    ("learner", ConfChangeKind::AddLearner),
    ("remove", ConfChangeKind::Remove),
    ("update", ConfChangeKind::Update),
];

const TRANSITIONS: [(&str, Transition); 3] =
    [("auto", Transition::Auto), ("implicit", Transition::Implicit), ("explicit", Transition::Explicit)];

struct Op<'a>(&'a ConfChangeOp);

impl Display for Op<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = KINDS.iter().find(|(_, kind)| *kind == self.0.kind).map_or("?", |(name, _)| name);
        write!(f, " {kind}:{}", self.0.node)
    }
}

fn parse_op(word: &&str) -> Result<ConfChangeOp, String> {
    let parse = || {
        let (kind, node) = word.split_once(':')?;
        let (_, kind) = KINDS.iter().find(|(name, _)| *name == kind)?;
        Some(ConfChangeOp { kind: *kind, node: node.parse().ok()? })
    };
    parse().ok_or_else(|| format!("{word:?} is not voter:N, learner:N, remove:N or update:N"))
}

fn parse_transition(word: &str) -> Result<Transition, String> {
    let found = TRANSITIONS.iter().find(|(name, _)| *name == word);
    found.map(|(_, kind)| *kind).ok_or_else(|| format!("{word:?} is not auto, implicit or explicit"))
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash { node, pause: Some(pause) } => write!(f, "crash {node} {}", Time(*pause)),
            Self::Crash { node, pause: None } => write!(f, "crash {node}"),
            Self::CrashIn { node, pieces, pause } => write!(f, "crash-in {node} {pieces} {}", Time(*pause)),
            Self::Restart(node) => write!(f, "restart {node}"),
            Self::Cut(links) => write!(f, "cut{}", Links(links)),
            Self::Isolate { node, but: Some(but) } => write!(f, "isolate {node} {but}"),
            Self::Isolate { node, but: None } => write!(f, "isolate {node}"),
            Self::Flap { period, links } => write!(f, "flap {}{}", Time(*period), Links(links)),
            Self::Slow { delay, links } => write!(f, "slow {}{}", Time(*delay), Links(links)),
            Self::Mend => f.write_str("mend"),
            Self::Weather { calm } => f.write_str(if *calm { "calm" } else { "rough" }),
            Self::Pause { node, time } => write!(f, "pause {node} {}", Time(*time)),
            Self::StopClock { node, time } => write!(f, "stop-clock {node} {}", Time(*time)),
            Self::Ticks { node, count } => write!(f, "ticks {node} {count}"),
            Self::DiskFull { node, time } => write!(f, "disk-full {node} {}", Time(*time)),
            Self::Stall { node, time } => write!(f, "stall {node} {}", Time(*time)),
            Self::Hush { time } => write!(f, "hush {}", Time(*time)),
            Self::Replay { count } => write!(f, "replay {count}"),
            Self::Misdeliver { node } => write!(f, "misdeliver {node}"),
            Self::Propose { node, count } => write!(f, "propose {node} {count}"),
            Self::Read { node } => write!(f, "read {node}"),
            Self::ReadAgain { node } => write!(f, "read-again {node}"),
            Self::Compact { node, keep: Some(keep) } => write!(f, "compact {node} {keep}"),
            Self::Compact { node, keep: None } => write!(f, "snapshot {node}"),
            Self::SnapshotBusy { node, busy: true } => write!(f, "snapshots-off {node}"),
            Self::SnapshotBusy { node, busy: false } => write!(f, "snapshots-on {node}"),
            Self::Change { node, transition, ops } => {
                let name = TRANSITIONS.iter().find(|(_, kind)| kind == transition);
                write!(f, "change {node} {}", name.map_or("?", |(name, _)| name))?;
                ops.iter().try_for_each(|op| write!(f, "{}", Op(op)))
            }
            Self::ChangeV1 { node, op } => write!(f, "change-v1 {node}{}", Op(op)),
            Self::LeaveJoint { node } => write!(f, "leave-joint {node}"),
            Self::Transfer { node, to } => write!(f, "transfer {node} {to}"),
            Self::Campaign { node } => write!(f, "campaign {node}"),
            Self::ForgetLeader { node } => write!(f, "forget-leader {node}"),
            Self::Mark => f.write_str("mark"),
            Self::ExpectCommits(count) => write!(f, "expect-commits {count}"),
            Self::ExpectLeader(Some(node)) => write!(f, "expect-leader {node}"),
            Self::ExpectLeader(None) => f.write_str("expect-leader"),
            Self::ExpectSameTerm => f.write_str("expect-same-term"),
            Self::ExpectUpToDate(node) => write!(f, "expect-up-to-date {node}"),
            Self::ExpectMet(situation) => write!(f, "expect-met {}", situation.name()),
        }
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}

fn time(text: &str) -> Result<u64, String> {
    text.parse::<Time>().map(|time| time.0)
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<_> = text.split_whitespace().collect();
        let (verb, args) = words.split_first().ok_or("an action is missing")?;
        parse_fault(verb, args)
            .or_else(|| parse_request(verb, args))
            .or_else(|| parse_expectation(verb, args))
            .unwrap_or_else(|| Err(format!("{text:?}: unknown action, or the wrong number of arguments")))
    }
}

fn parse_fault(verb: &str, args: &[&str]) -> Option<Result<Action, String>> {
    let parse = || match (verb, args) {
        ("crash", [node]) => Ok(Some(Action::Crash { node: node.parse()?, pause: None })),
        ("crash", [node, pause]) => {
            Ok(Some(Action::Crash { node: node.parse()?, pause: Some(time(pause)?) }))
        }
        ("crash-in", [node, pieces, pause]) => {
            let (pieces, pause) = (number(pieces)?, time(pause)?);
            Ok(Some(Action::CrashIn { node: node.parse()?, pieces, pause }))
        }
        ("restart", [node]) => Ok(Some(Action::Restart(number(node)?))),
        ("cut", links) => Ok(Some(Action::Cut(parse_links(links)?))),
        ("isolate", [node]) => Ok(Some(Action::Isolate { node: node.parse()?, but: None })),
        ("isolate", [node, but]) => {
            Ok(Some(Action::Isolate { node: node.parse()?, but: Some(number(but)?) }))
        }
        ("flap", [period, links @ ..]) => {
            Ok(Some(Action::Flap { period: time(period)?, links: parse_links(links)? }))
        }
        ("slow", [delay, links @ ..]) => {
            Ok(Some(Action::Slow { delay: time(delay)?, links: parse_links(links)? }))
        }
        ("mend", []) => Ok(Some(Action::Mend)),
        ("calm", []) => Ok(Some(Action::Weather { calm: true })),
        ("rough", []) => Ok(Some(Action::Weather { calm: false })),
        ("pause", [node, t]) => Ok(Some(Action::Pause { node: node.parse()?, time: time(t)? })),
        ("stop-clock", [node, t]) => Ok(Some(Action::StopClock { node: node.parse()?, time: time(t)? })),
        ("ticks", [node, count]) => Ok(Some(Action::Ticks { node: node.parse()?, count: number(count)? })),
        ("disk-full", [node, t]) => Ok(Some(Action::DiskFull { node: node.parse()?, time: time(t)? })),
        ("stall", [node, t]) => Ok(Some(Action::Stall { node: node.parse()?, time: time(t)? })),
        ("hush", [t]) => Ok(Some(Action::Hush { time: time(t)? })),
        ("replay", [count]) => Ok(Some(Action::Replay { count: number(count)? })),
        ("misdeliver", [node]) => Ok(Some(Action::Misdeliver { node: node.parse()? })),
        _ => Ok(None),
    };
    parse().transpose()
}

fn parse_request(verb: &str, args: &[&str]) -> Option<Result<Action, String>> {
    let (node, rest) = args.split_first()?;
    let parse = |node: Target| {
        Ok(Some(match (verb, rest) {
            ("propose", [count]) => Action::Propose { node, count: number(count)? },
            ("read", []) => Action::Read { node },
            ("read-again", []) => Action::ReadAgain { node },
            ("compact", [keep]) => Action::Compact { node, keep: Some(number(keep)?) },
            ("snapshot", []) => Action::Compact { node, keep: None },
            ("snapshots-off", []) => Action::SnapshotBusy { node, busy: true },
            ("snapshots-on", []) => Action::SnapshotBusy { node, busy: false },
            ("change", [transition, ops @ ..]) => {
                let ops = ops.iter().map(parse_op).collect::<Result<_, _>>()?;
                Action::Change { node, transition: parse_transition(transition)?, ops }
            }
            ("change-v1", [op]) => Action::ChangeV1 { node, op: parse_op(op)? },
            ("leave-joint", []) => Action::LeaveJoint { node },
            ("transfer", [to]) => Action::Transfer { node, to: to.parse()? },
            ("campaign", []) => Action::Campaign { node },
            ("forget-leader", []) => Action::ForgetLeader { node },
            _ => return Ok(None),
        }))
    };
    // What follows an expectation's verb is read by other rules.
    parse(node.parse().ok()?).transpose()
}

fn situation(name: &str) -> Result<Situation, String> {
    let found = Situation::ALL.iter().find(|situation| situation.name() == name);
    found.copied().ok_or_else(|| format!("there is no situation {name:?}"))
}

fn parse_expectation(verb: &str, args: &[&str]) -> Option<Result<Action, String>> {
    let id = |text: &str| -> Result<NodeId, String> { number(text) };
    let parse = || match (verb, args) {
        ("mark", []) => Ok(Some(Action::Mark)),
        ("expect-commits", [count]) => Ok(Some(Action::ExpectCommits(number(count)?))),
        ("expect-leader", []) => Ok(Some(Action::ExpectLeader(None))),
        ("expect-leader", [node]) => Ok(Some(Action::ExpectLeader(Some(id(node)?)))),
        ("expect-same-term", []) => Ok(Some(Action::ExpectSameTerm)),
        ("expect-up-to-date", [node]) => Ok(Some(Action::ExpectUpToDate(id(node)?))),
        ("expect-met", [name]) => Ok(Some(Action::ExpectMet(situation(name)?))),
        _ => Ok(None),
    };
    parse().transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let all = "crash 2 30|crash leader|crash-in 1 3 0.05|restart 4|cut 1>2 2>1|isolate leader|isolate 3 1|flap 5 1>2|slow 2.50 3>1|\
            mend|calm|rough|pause 1 12|stop-clock follower 3|ticks 1 40|disk-full 2 8|replay 3|misdeliver 2|\
            propose leader 3|read 1|read-again 2|compact 1 0|snapshot 2|snapshots-off 1|snapshots-on 1|\
            change leader explicit voter:4 remove:1 learner:2|change-v1 2 update:1|leave-joint leader|\
            transfer leader 2|campaign 1|forget-leader 2|mark|expect-commits 5|expect-leader|\
            expect-leader 3|expect-same-term|expect-up-to-date 4|\
            expect-met MajorityOverwritten";
        for line in all.split('|') {
            let action: Action = line.trim().parse().unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(action.to_string(), line.trim());
        }
        assert_eq!("cut 1-2".parse::<Action>().unwrap().to_string(), "cut 1>2 2>1");
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for line in
            ["", "crush 1", "crash", "crash x", "cut", "cut 12", "cut 1>x", "pause 1 1.234", "ticks 1"]
        {
            assert!(line.parse::<Action>().is_err(), "{line}");
        }
        for line in [
            "change 1 auto voter",
            "change 1 often voter:1",
            "propose 1 many",
            "expect-commits",
            "expect-met Rain",
        ] {
            assert!(line.parse::<Action>().is_err(), "{line}");
        }
    }
}
