//! The commands.

use raftcore::{
    Body, ConfChange, ConfChangeKind, ConfChangeOp, ConfChangeV2, Message, NodeId, Snapshot, Transition,
};

use super::args::{Arg, boolean, number};
use super::packet::KINDS;
use super::quote::quote;
use super::recording::Event;
use super::script::Directive;
use super::world::{Delivery, Thread, World};
use super::{CommandError, format};

type Result<T = (), E = CommandError> = std::result::Result<T, E>;

impl Directive {
    /// The positional arguments, as node ids.
    fn ids(&self) -> Result<Vec<NodeId>> {
        self.args.iter().filter(|arg| arg.is_positional()).map(|arg| number(&arg.key)).collect()
    }

    /// The positional argument at `position`.
    fn positional<N: std::str::FromStr>(&self, position: usize) -> Result<N> {
        let arg = self.args.iter().filter(|arg| arg.is_positional()).nth(position);
        let missing = || CommandError::fatal(format!("{} needs more arguments", self.command));
        number(&arg.ok_or_else(missing)?.key)
    }

    /// The last value given for `key`.
    fn value(&self, key: &str) -> Option<&str> {
        let args = self.args.iter().filter(|arg| arg.key == key);
        args.flat_map(|arg| &arg.values).next_back().map(String::as_str)
    }

    fn required<N: std::str::FromStr>(&self, key: &str) -> Result<N> {
        let missing = || CommandError::fatal(format!("{} needs {key}=", self.command));
        number(self.value(key).ok_or_else(missing)?)
    }
}

impl World {
    /// Runs a command; what it prints is in `self.out`.
    pub(super) fn execute(&mut self, directive: &Directive) -> Result {
        match directive.command.as_str() {
            "_breakpoint" => Ok(()),
            "add-nodes" => self.add_nodes(directive),
            "campaign" => {
                let id = directive.positional(0)?;
                self.note(id, Event::Campaign);
                Ok(self.node(id)?.raft.campaign()?)
            }
            "compact" => self.compact(directive),
            "deliver-msgs" => self.deliver_messages(directive),
            "forget-leader" => {
                let id = directive.positional(0)?;
                self.note(id, Event::ForgetLeader);
                self.node(id)?.raft.forget_leader();
                Ok(())
            }
            "log-level" => {
                let level = directive.args.first().map_or("", |arg| &arg.key);
                self.set_log_level(level)
            }
            "process-append-thread" => self.process_threads(directive, Thread::Append),
            "process-apply-thread" => self.process_threads(directive, Thread::Apply),
            "process-ready" => self.process_readies(directive),
            "propose" => self.propose(directive),
            "propose-conf-change" => self.propose_conf_change(directive),
            "raft-log" => self.print_log(directive.positional(0)?),
            "raft-state" => self.print_states(),
            "read-index" => self.read_index(directive),
            "report-unreachable" => self.report_unreachable(directive),
            "send-snapshot" => self.send_snapshot(directive),
            "set-randomized-election-timeout" => {
                let ticks = directive.required("timeout")?;
                self.node(directive.positional(0)?)?.raft.set_randomized_election_timeout(ticks);
                Ok(())
            }
            "stabilize" => self.stabilize_nodes(directive),
            "status" => self.print_progress(directive.positional(0)?),
            "tick-election" => self.tick(directive.positional(0)?, |config| config.election_ticks),
            "tick-heartbeat" => self.tick(directive.positional(0)?, |config| config.heartbeat_ticks),
            "transfer-leadership" => self.transfer_leadership(directive),
            _ => Err(CommandError::answer("unknown command")),
        }
    }

    fn compact(&mut self, directive: &Directive) -> Result {
        let (id, index) = (directive.positional(0)?, directive.positional(1)?);
        self.note(id, Event::Compact);
        self.node(id)?.raft.storage_mut().compact(index)?;
        self.print_log(id)
    }

    fn deliver_messages(&mut self, directive: &Directive) -> Result {
        let kind = directive.value("type");
        if let Some(kind) = kind.filter(|kind| !KINDS.contains(kind)) {
            return Err(CommandError::fatal(format!("unknown message type {kind}")));
        }
        let mut deliveries: Vec<Delivery<'_>> = Vec::new();
        for arg in &directive.args {
            if arg.is_positional() {
                deliveries.push(Delivery { to: number(&arg.key)?, kind, drop: false });
            } else if arg.key == "drop" {
                for value in &arg.values {
                    let to = number(value)?;
                    if deliveries.iter().any(|earlier| earlier.to == to && !earlier.drop) {
                        return Err(CommandError::fatal(format!("deliver to {to}, or drop?")));
                    }
                    deliveries.push(Delivery { to, kind, drop: true });
                }
            }
        }
        let mut count = 0;
        for delivery in deliveries {
            count += self.deliver(delivery)?;
        }
        if count == 0 {
            self.out.print_line("no messages");
        }
        Ok(())
    }

    /// The level only matters in that nothing is printed at NONE.
    fn set_log_level(&mut self, level: &str) -> Result {
        let levels = ["DEBUG", "INFO", "WARN", "ERROR", "FATAL", "NONE"];
        if !levels.iter().any(|known| known.eq_ignore_ascii_case(level)) {
            let levels = levels.join(" ");
            return Err(CommandError::answer(format!("log levels must be either of [{levels}]")));
        }
        self.out.quiet = level.eq_ignore_ascii_case("NONE");
        Ok(())
    }

    /// Prints what `step` does for one node as it is, for more as sections.
    fn for_each_node(
        &mut self,
        ids: &[NodeId],
        header: impl Fn(NodeId) -> String,
        step: impl Fn(&mut Self, NodeId) -> Result,
    ) -> Result {
        match ids {
            &[id] => step(self, id),
            ids => ids.iter().try_for_each(|&id| self.section(&header(id), |world| step(world, id))),
        }
    }

    fn process_threads(&mut self, directive: &Directive, thread: Thread) -> Result {
        let ids = directive.ids()?;
        let step = |world: &mut Self, id| world.process_thread(id, thread);
        self.for_each_node(&ids, |id| thread.header(id), step)
    }

    fn process_readies(&mut self, directive: &Directive) -> Result {
        let ids = directive.ids()?;
        self.for_each_node(&ids, |id| format!("{id} handling Ready"), Self::process_ready)
    }

    fn propose(&mut self, directive: &Directive) -> Result {
        let [id, data] = &directive.args[..] else {
            return Err(CommandError::fatal("propose needs exactly two arguments"));
        };
        let id = number(&id.key)?;
        self.note(id, Event::Propose(data.key.clone().into()));
        self.node(id)?.raft.propose(data.key.clone())?;
        Ok(())
    }

    fn propose_conf_change(&mut self, directive: &Directive) -> Result {
        let mut first_version = false;
        let mut transition = Transition::Auto;
        for (key, value) in directive.args.iter().flat_map(Arg::pairs) {
            match key {
                "v1" => first_version = boolean(value)?,
                "transition" => transition = parse_transition(value)?,
                key => return Err(CommandError::answer(format!("unknown command {key}"))),
            }
        }
        let ops = parse_operations(&directive.input)?;
        let id = directive.positional(0)?;
        let change = ConfChangeV2 { transition, ops: ops.clone(), ..ConfChangeV2::default() };
        self.note(id, Event::ProposeConfChange(change.clone(), first_version));
        let raft = &mut self.node(id)?.raft;
        if !first_version {
            raft.propose_conf_change(&change)?;
            return Ok(());
        }
        let ([op], Transition::Auto) = (&ops[..], transition) else {
            let text = "v1 conf change can only have one operation and no transition";
            return Err(CommandError::answer(text));
        };
        raft.propose_conf_change_v1(&ConfChange { id: 0, op: *op, context: Default::default() })?;
        Ok(())
    }

    fn print_log(&mut self, id: NodeId) -> Result {
        let storage = self.node(id)?.raft.storage();
        let (first, last) = (storage.first(), storage.last());
        let lines: Vec<_> = storage.stored().iter().map(format::entry).collect();
        if lines.is_empty() {
            self.out.print(&format!("log is empty: first index={first}, last index={last}"));
        }
        lines.iter().for_each(|line| self.out.print_line(line));
        Ok(())
    }

    fn print_progress(&mut self, id: NodeId) -> Result {
        for progress in self.node(id)?.raft.status().progress {
            self.out.print_line(&format::progress(&progress));
        }
        Ok(())
    }

    fn print_states(&mut self) -> Result {
        for id in self.ids() {
            let status = self.node(id)?.raft.status();
            self.out.print_line(&format::state(&status));
        }
        Ok(())
    }

    fn read_index(&mut self, directive: &Directive) -> Result {
        let [id, context] = &directive.args[..] else {
            return Err(CommandError::fatal("read-index needs exactly two arguments"));
        };
        let id = number(&id.key)?;
        self.note(id, Event::Read);
        match self.node(id)?.raft.read_index(context.key.clone()) {
            // The reference drops such requests without a word.
            Err(raftcore::Error::NoLeader) => Ok(()),
            other => Ok(other?),
        }
    }

    fn report_unreachable(&mut self, directive: &Directive) -> Result {
        let [id, unreachable] = directive.ids()?[..] else {
            let text = "must specify exactly two node indexes: \
                        node on which to report, and reported node";
            return Err(CommandError::answer(text));
        };
        self.note(id, Event::Unreachable(unreachable));
        self.node(id)?.raft.report_unreachable(unreachable);
        Ok(())
    }

    fn send_snapshot(&mut self, directive: &Directive) -> Result {
        let (from, to) = (directive.positional(0)?, directive.positional(1)?);
        let raft = &self.node(from)?.raft;
        let snapshot: Snapshot = raft.storage().latest().clone();
        let term = raft.hard_state().term;
        let body = Body::Snapshot(Box::new(snapshot));
        let text = format::packet(self.inject(Message { from, to, term, body }));
        self.out.print(&text);
        Ok(())
    }

    fn stabilize_nodes(&mut self, directive: &Directive) -> Result {
        let mut ids = directive.ids()?;
        if ids.is_empty() {
            ids = self.ids();
        }
        let was_quiet = self.out.quiet;
        let levels = directive.args.iter().filter(|arg| arg.key == "log-level");
        let result = levels
            .flat_map(|arg| &arg.values)
            .try_for_each(|level| self.set_log_level(level))
            .and_then(|()| self.stabilize(&ids));
        self.out.quiet = was_quiet;
        result
    }

    fn tick(&mut self, id: NodeId, ticks: impl Fn(&raftcore::Config) -> u32) -> Result {
        for _ in 0..ticks(self.node(id)?.raft.config()) {
            self.note(id, Event::Tick);
            self.node(id)?.raft.tick()?;
        }
        Ok(())
    }

    fn transfer_leadership(&mut self, directive: &Directive) -> Result {
        let (from, to) = (directive.required("from")?, directive.required("to")?);
        self.note(from, Event::Transfer(to));
        match self.node(from)?.raft.transfer_leader(to) {
            // The reference drops such requests without a word.
            Err(raftcore::Error::NoLeader | raftcore::Error::InvalidTransferee(_)) => Ok(()),
            other => Ok(other?),
        }
    }
}

fn parse_transition(name: &str) -> Result<Transition> {
    match name {
        "auto" => Ok(Transition::Auto),
        "implicit" => Ok(Transition::Implicit),
        "explicit" => Ok(Transition::Explicit),
        _ => Err(CommandError::answer(format!("unknown transition {name}"))),
    }
}

/// Operations separated by single spaces, like `v1 l2 r3 u4`.
fn parse_operations(input: &str) -> Result<Vec<ConfChangeOp>> {
    if input.is_empty() {
        return Ok(Vec::new());
    }
    input.split(' ').map(parse_operation).collect()
}

fn parse_operation(token: &str) -> Result<ConfChangeOp> {
    if token.len() < 2 {
        return Err(CommandError::answer(format!("unknown token {token}")));
    }
    let kind = match token.as_bytes()[0] {
        b'v' => ConfChangeKind::AddVoter,
        b'l' => ConfChangeKind::AddLearner,
        b'r' => ConfChangeKind::Remove,
        b'u' => ConfChangeKind::Update,
        _ => return Err(CommandError::answer(format!("unknown input: {token}"))),
    };
    let digits = &token[1..];
    let error = |problem| {
        let quoted = quote(digits.as_bytes());
        CommandError::answer(format!("strconv.ParseUint: parsing {quoted}: {problem}"))
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(error("invalid syntax"));
    }
    let node = digits.parse().map_err(|_| error("value out of range"))?;
    Ok(ConfChangeOp { kind, node })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_or_the_reference_s_complaints() {
        let ops = parse_operations("v1 l23 r4 u0").unwrap();
        assert_eq!(ops[1], ConfChangeOp { kind: ConfChangeKind::AddLearner, node: 23 });
        assert_eq!(ops.len(), 4);
        for (input, text) in [
            ("v", "unknown token v"),
            ("v1  l2", "unknown token "),
            ("x1", "unknown input: x1"),
            ("é1", "unknown input: é1"),
            ("v+1", "strconv.ParseUint: parsing \"+1\": invalid syntax"),
            (
                "v18446744073709551616",
                "strconv.ParseUint: parsing \"18446744073709551616\": value out of range",
            ),
        ] {
            assert_eq!(parse_operations(input), Err(CommandError::answer(text)));
        }
    }
}
