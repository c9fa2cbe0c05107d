//! `loss`: operations of closed-loop clients while the network loses messages. Time is virtual, and which messages are
//! lost follows from a seed, the same ones for every implementation: the figures do not depend on the machine.

mod network;
mod world;

use std::path::Path;
use std::process::Command;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::peer::{Ours, RaftRs};
use crate::report::{grouped, median};
use crate::{Failure, Impl};

/// What is measured. interop/go/cmd/bench takes the same options.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// What to compare: core, raft-rs, etcd (build/bench-etcd, or what RAFTCORE_BENCH_GO names).
    #[arg(long = "impl", value_enum, value_delimiter = ',', default_value = "core,etcd")]
    implementations: Vec<Impl>,
    /// Of a hundred messages, how many are lost.
    #[arg(long, value_delimiter = ',', default_value = "0,5,10,20", value_parser = clap::value_parser!(u64).range(..100))]
    loss: Vec<u64>,
    /// Members of the group.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=9))]
    nodes: u64,
    /// Clients, each of which writes again once its last write is applied by the leader.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..))]
    clients: u64,
    /// Bytes of a write.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(8..))]
    payload: u64,
    /// Microseconds that a message and its answer take.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(2..))]
    rtt: u64,
    /// Microseconds of a tick: one between heartbeats, ten to an election.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    tick: u64,
    /// Microseconds between the loss of a message and the report of it.
    #[arg(long, default_value_t = 0)]
    report_delay: u64,
    /// Seconds of virtual time.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// The first seed; each round has the next one.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// One JSON object a line instead of text.
    #[arg(long)]
    json: bool,
}

/// One run.
#[derive(Clone, Copy, Debug)]
struct Case<'a> {
    options: &'a Options,
    loss: u64,
    /// Whether every loss is reported, or none is.
    reports: bool,
    seed: u64,
}

/// What came out of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
struct Outcome {
    operations: u64,
    messages: u64,
}

/// A line of JSON: medians over all seeds.
#[derive(Clone, Debug, Serialize)]
struct Line {
    command: &'static str,
    #[serde(rename = "impl")]
    implementation: String,
    nodes: u64,
    clients: u64,
    payload: u64,
    rtt_us: u64,
    tick_us: u64,
    report_delay_us: u64,
    seconds: u64,
    loss_percent: u64,
    reports: bool,
    rounds: u64,
    operations: f64,
    /// (largest - smallest) / median of the operations.
    spread: f64,
    messages_per_operation: f64,
    /// Operations against those of the same implementation with the same losses, none reported.
    to_unreported: f64,
    /// Operations against those of etcd/raft in the same case, if it took part.
    #[serde(skip_serializing_if = "Option::is_none")]
    to_etcd: Option<f64>,
}

/// Measures and prints everything that was asked for.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    for loss in &options.loss {
        let mut lines = Vec::new();
        for implementation in &options.implementations {
            let unreported = measure(*implementation, options, *loss, false)?;
            let reported = measure(*implementation, options, *loss, true)?;
            let to_unreported = reported.operations / unreported.operations;
            lines.extend([unreported, Line { to_unreported, ..reported }]);
        }
        compare(&mut lines);
        lines.iter().try_for_each(|line| print(line, options.json))?;
    }
    Ok(())
}

fn compare(lines: &mut [Line]) {
    let peers: Vec<_> =
        lines.iter().filter(|line| line.implementation == Impl::Etcd.name()).cloned().collect();
    for line in lines {
        let peer = peers.iter().find(|peer| peer.reports == line.reports);
        line.to_etcd = peer.map(|peer| line.operations / peer.operations);
    }
}

fn measure(implementation: Impl, options: &Options, loss: u64, reports: bool) -> Result<Line, Failure> {
    let seeds = options.seed..options.seed + options.rounds;
    let case = |seed| Case { options, loss, reports, seed };
    let outcomes: Result<Vec<_>, _> = seeds.map(|seed| once(implementation, case(seed))).collect();
    let outcomes = outcomes?;
    let operations: Vec<_> = outcomes.iter().map(|outcome| outcome.operations as f64).collect();
    let per_operation = |outcome: &Outcome| outcome.messages as f64 / outcome.operations.max(1) as f64;
    let messages: Vec<_> = outcomes.iter().map(per_operation).collect();
    let (operations, spread) = median(&operations).ok_or("nothing was measured")?;
    let (messages_per_operation, _) = median(&messages).ok_or("nothing was measured")?;
    Ok(Line {
        command: "loss",
        implementation: implementation.name(),
        nodes: options.nodes,
        clients: options.clients,
        payload: options.payload,
        rtt_us: options.rtt,
        tick_us: options.tick,
        report_delay_us: options.report_delay,
        seconds: options.seconds,
        loss_percent: loss,
        reports,
        rounds: options.rounds,
        operations,
        spread,
        messages_per_operation,
        to_unreported: 1.0,
        to_etcd: None,
    })
}

fn once(implementation: Impl, case: Case<'_>) -> Result<Outcome, Failure> {
    match implementation {
        Impl::Core => world::run::<Ours>(case),
        Impl::RaftRs => world::run::<RaftRs>(case),
        Impl::Etcd => external(&implementation.program().unwrap_or_default(), case),
        other => Err(format!("{} does not take part in this", other.name()).into()),
    }
}

/// Runs the program of another implementation.
fn external(program: &Path, case: Case<'_>) -> Result<Outcome, Failure> {
    let Options { nodes, clients, payload, rtt, tick, report_delay, seconds, .. } = case.options;
    let mut command = Command::new(program);
    command.arg("loss");
    for (name, value) in [
        ("--nodes", nodes),
        ("--clients", clients),
        ("--payload", payload),
        ("--rtt", rtt),
        ("--tick", tick),
        ("--report-delay", report_delay),
        ("--seconds", seconds),
        ("--loss", &case.loss),
        ("--seed", &case.seed),
    ] {
        command.args([name, &value.to_string()]);
    }
    if case.reports {
        command.arg("--reports");
    }
    let output = command.output().map_err(|error| format!("{} cannot be run: {error}", program.display()))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} failed: {}", program.display(), text.trim()).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn print(line: &Line, json: bool) -> Result<(), Failure> {
    if json {
        println!("{}", serde_json::to_string(line)?);
        return Ok(());
    }
    println!(
        "{:<8} {:>2} % lost, {:<12} {:>9} operations  spread {:2.0}%  {:5.2} messages each  {:5.2} x unreported{}",
        line.implementation,
        line.loss_percent,
        if line.reports { "reported" } else { "not reported" },
        grouped(line.operations),
        line.spread * 100.0,
        line.messages_per_operation,
        line.to_unreported,
        line.to_etcd.map_or(String::new(), |ratio| format!("  {ratio:5.2} x etcd")),
    );
    Ok(())
}
