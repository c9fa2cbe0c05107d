//! `RAFT_TRACE_ETCD`: a group behind the C interface tells the same, line by line, as the same group in
//! Rust with an `EtcdTracer`, and all of it is in the format of etcd/raft's tracer.

mod common;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ffi::{c_char, c_void};
use std::ptr;

use common::{Node, ok};
use raftcore::trace::{EtcdTracer, etcd_line};
use raftcore::{Body, Bytes, ConfState, Config, MemoryStorage, Message, RawNode, RoleKind, wire};
use raftcore_ffi::*;
use serde_json::Value;

const VOTERS: [u64; 3] = [1, 2, 3];
const FIRST_TIME: u64 = 1_000_000;

/// The lines of a whole group, and its clock.
#[derive(Default)]
struct Lines {
    lines: RefCell<Vec<String>>,
    clock: Cell<u64>,
}

impl Lines {
    fn time(&self) -> u64 {
        self.clock.set(self.clock.get() + 1);
        FIRST_TIME + self.clock.get()
    }
}

/// # Safety
/// `context` is a group's lines, which outlive its nodes.
unsafe fn lines<'a>(context: *mut c_void) -> &'a Lines {
    // SAFETY: the same contract.
    unsafe { &*context.cast::<Lines>().cast_const() }
}

unsafe extern "C" fn trace(context: *mut c_void, json: *const c_char, len: usize) {
    // SAFETY: the context is the lines; the text is lent for the callback.
    let (lines, line) = unsafe { (lines(context), common::array(json.cast::<u8>(), len)) };
    lines.lines.borrow_mut().push(String::from_utf8(line.to_vec()).unwrap());
}

unsafe extern "C" fn time(context: *mut c_void) -> u64 {
    // SAFETY: the context is the lines.
    unsafe { lines(context) }.time()
}

fn watch(node: Node, lines: &Lines, time: Option<unsafe extern "C" fn(*mut c_void) -> u64>) {
    let observer = raft_observer {
        struct_size: size_of::<raft_observer>(),
        context: ptr::from_ref(lines).cast_mut().cast(),
        log: None,
        trace: Some(trace),
        release: None,
        log_level: RAFT_LOG_NONE,
        time,
        trace_format: RAFT_TRACE_ETCD,
    };
    // SAFETY: a live node, and lines that outlive it.
    ok(unsafe { raft_node_set_observer(node.0, &raw const observer) });
}

/// A group whose nodes do at once what an input leads to.
trait Group {
    fn tick(&mut self, place: usize);
    fn campaign(&mut self, place: usize);
    fn propose(&mut self, place: usize, data: u64);
    fn step(&mut self, message: &Message);
    fn leads(&self, place: usize) -> bool;
    /// What was sent since the last call.
    fn sent(&mut self) -> Vec<Message>;
}

struct InRust<'a> {
    nodes: Vec<(RawNode<MemoryStorage>, EtcdTracer)>,
    lines: &'a Lines,
    sent: Vec<Message>,
}

impl<'a> InRust<'a> {
    fn new(lines: &'a Lines) -> Self {
        let nodes = VOTERS.map(|id| {
            let storage = MemoryStorage::with_conf_state(ConfState::new(VOTERS, []));
            let config = Config { pre_vote: false, check_quorum: false, seed: 7, ..Config::new(id) };
            let node = RawNode::new(config, storage).unwrap();
            let tracer = EtcdTracer::start(&node.status(), &mut |event| tell(lines, event));
            (node, tracer)
        });
        Self { nodes: nodes.into(), lines, sent: Vec::new() }
    }

    fn work(&mut self, place: usize, input: impl FnOnce(&mut RawNode<MemoryStorage>)) {
        let (node, tracer) = &mut self.nodes[place];
        let tell = &mut |event: &str| tell(self.lines, event);
        input(node);
        tracer.changed(&node.status(), tell);
        while node.has_ready() {
            let ready = node.ready().unwrap();
            tracer.takes(&node.status(), &ready, tell);
            node.storage_mut().append(&ready.entries).unwrap();
            if let Some(hard_state) = ready.hard_state {
                node.storage_mut().set_hard_state(hard_state);
            }
            self.sent.extend(ready.messages.iter().cloned());
            tracer.advances(&node.status(), tell);
            node.advance(ready).unwrap();
            tracer.changed(&node.status(), tell);
        }
    }
}

fn tell(lines: &Lines, event: &str) {
    let line = etcd_line(event, Some(lines.time()));
    lines.lines.borrow_mut().push(line);
}

impl Group for InRust<'_> {
    fn tick(&mut self, place: usize) {
        self.work(place, |node| node.tick().unwrap());
    }

    fn campaign(&mut self, place: usize) {
        self.work(place, |node| node.campaign().unwrap());
    }

    fn propose(&mut self, place: usize, data: u64) {
        let data = Bytes::copy_from_slice(&data.to_le_bytes());
        self.work(place, |node| _ = node.propose(data).unwrap());
    }

    fn step(&mut self, message: &Message) {
        let place = message.to as usize - 1;
        let (_, tracer) = &self.nodes[place];
        tracer.receives(message, &mut |event| tell(self.lines, event));
        self.work(place, |node| _ = node.step(message.clone()));
    }

    fn leads(&self, place: usize) -> bool {
        self.nodes[place].0.soft_state().role == RoleKind::Leader
    }

    fn sent(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.sent)
    }
}

struct BehindC {
    nodes: Vec<Node>,
    sent: Vec<Message>,
}

impl BehindC {
    fn new(lines: &Lines) -> Self {
        let nodes = VOTERS.map(|id| {
            let config = raft_config { pre_vote: false, check_quorum: false, seed: 7, ..common::config(id) };
            let node = Node::in_memory(&config, &VOTERS);
            watch(node, lines, Some(time));
            node
        });
        Self { nodes: nodes.into(), sent: Vec::new() }
    }

    fn settle(&mut self, place: usize) {
        let node = self.nodes[place];
        while let Some(view) = node.try_ready().unwrap() {
            for message in view.messages() {
                // SAFETY: the view is out.
                let bytes = Bytes::from(unsafe { common::to_vec(message.bytes) });
                self.sent.push(wire::decode(&bytes).unwrap());
            }
            ok(node.advance(view));
        }
    }
}

impl Group for BehindC {
    fn tick(&mut self, place: usize) {
        ok(self.nodes[place].tick());
        self.settle(place);
    }

    fn campaign(&mut self, place: usize) {
        self.nodes[place].campaign();
        self.settle(place);
    }

    fn propose(&mut self, place: usize, data: u64) {
        ok(self.nodes[place].propose(&data.to_le_bytes()));
        self.settle(place);
    }

    fn step(&mut self, message: &Message) {
        let place = message.to as usize - 1;
        let _ = self.nodes[place].step(message);
        self.settle(place);
    }

    fn leads(&self, place: usize) -> bool {
        self.nodes[place].info().unwrap().role == RAFT_ROLE_LEADER
    }

    fn sent(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.sent)
    }
}

impl Drop for BehindC {
    fn drop(&mut self) {
        self.nodes.iter().for_each(|node| node.free());
    }
}

/// Ticks, proposals, campaigns, and messages that come late or never.
fn run(group: &mut dyn Group, inputs: usize) {
    let mut random = 12345u64;
    let mut below = |limit: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % limit
    };
    let mut network: Vec<Message> = Vec::new();
    for input in 0..inputs {
        let place = below(3);
        match below(20) {
            0..=10 if !network.is_empty() => {
                let message = network.remove(below(network.len().min(4)));
                if below(20) > 0 {
                    group.step(&message);
                }
            }
            0..=14 => group.tick(place),
            15 if input % 8 == 0 => group.campaign(place),
            _ if group.leads(place) => group.propose(place, input as u64),
            _ => {}
        }
        network.extend(group.sent().into_iter().filter(|it| !matches!(it.body, Body::TimeoutNow)));
    }
}

fn told(inputs: usize) -> (Vec<String>, Vec<String>) {
    let (rust, c) = (Lines::default(), Lines::default());
    run(&mut InRust::new(&rust), inputs);
    run(&mut BehindC::new(&c), inputs);
    (rust.lines.into_inner(), c.lines.into_inner())
}

/// Under Miri as few as it takes for every kind of line to come.
const INPUTS: usize = if cfg!(miri) { 60 } else { 3000 };

#[test]
fn c_tells_what_rust_tells() {
    let (rust, c) = told(INPUTS);
    assert!(c.len() > INPUTS / 4, "only {} lines", c.len());
    for (place, (rust, c)) in rust.iter().zip(&c).enumerate() {
        assert_eq!(rust, c, "line {place}");
    }
    assert_eq!(rust.len(), c.len());
}

fn fields(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn the_lines_are_in_the_format_of_etcd() {
    let (_, lines) = told(INPUTS);
    let (mut names, mut last) = (BTreeSet::new(), FIRST_TIME);
    for line in &lines {
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(fields(&line), BTreeSet::from(["event", "level", "msg", "tag", "ts"]));
        assert_eq!((line["tag"].as_str(), line["msg"].as_str()), (Some("trace"), Some("trace")));
        let time = line["ts"].as_u64().expect("a number");
        assert!(time > last, "{line}");
        last = time;
        let event = &line["event"];
        let name = event["name"].as_str().expect("a name");
        let mut expected = BTreeSet::from(["conf", "log", "name", "nid", "role", "state"]);
        if name.starts_with("Send") || name.starts_with("Receive") {
            expected.insert("msg");
            let of_message = "commit entries from index logTerm reject rejectHint term to type vote";
            assert_eq!(fields(&event["msg"]), of_message.split(' ').collect());
        }
        assert_eq!(fields(event), expected, "{line}");
        assert_eq!(fields(&event["state"]), BTreeSet::from(["commit", "term", "vote"]));
        assert_eq!(event["conf"], serde_json::json!([["1", "2", "3"], []]));
        names.insert(name.to_owned());
    }
    let expected = "BecomeCandidate BecomeFollower BecomeLeader Commit InitState Ready \
        ReceiveAppendEntriesRequest ReceiveAppendEntriesResponse ReceiveRequestVoteRequest \
        ReceiveRequestVoteResponse Replicate SendAppendEntriesRequest SendAppendEntriesResponse \
        SendRequestVoteRequest SendRequestVoteResponse";
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), expected.split(' ').collect::<Vec<_>>());
}

#[test]
fn without_a_clock_lines_have_no_time() {
    let lines = Lines::default();
    let node = Node::in_memory(&raft_config { pre_vote: false, ..common::config(1) }, &VOTERS);
    watch(node, &lines, None);
    node.campaign();
    node.free();
    let lines = lines.lines.into_inner();
    let state = r#""state":{"term":2,"vote":"1","commit":1},"role":"StateCandidate","log":1"#;
    let conf = r#""conf":[["1","2","3"],[]]"#;
    let event = format!(r#"{{"name":"BecomeCandidate","nid":"1",{state},{conf}}}"#);
    let frame = r#"{"level":"debug","msg":"trace","tag":"trace","event":"#;
    assert_eq!(lines.last(), Some(&format!("{frame}{event}}}")));
}
