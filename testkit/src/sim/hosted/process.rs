//! A host's process, and the exchange with it.

use std::io::{self, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use raftcore::{HardState, RoleKind, SoftState, Storage, StorageError};

use super::super::disk::Disk;
use super::frame::{Reader, Writer, broken};

/// Version of the protocol.
const VERSION: u64 = 1;

/// Kinds of frames that a host sends.
const ANSWER: u8 = 0;
const READ: u8 = 1;

/// A process that embeds the library and is driven by the simulator.
#[derive(Debug)]
pub(in super::super) struct HostProcess {
    child: Child,
    /// None: closed, so that the host ends.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    writer: Writer,
    /// Numbers the nodes, over all runs.
    pub(super) nodes: u64,
    /// Whether an exchange is unfinished: if another one begins, something went wrong in it.
    is_busy: bool,
}

/// What a node is after a command.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    pub(super) hard: HardState,
    pub(super) soft: SoftState,
    pub(super) has_ready: bool,
}

/// A host's answer to a command.
#[derive(Debug)]
pub(super) struct Answer {
    /// 0, or a negative error code of `raftcore.h`.
    pub(super) status: i64,
    /// The error in words.
    pub(super) text: String,
    /// The node's state, if there is a node.
    pub(super) state: Option<State>,
    /// What the command gives, if it succeeds.
    pub(super) value: Reader,
    /// How the last failing read of the storage failed meanwhile.
    pub(super) failed_read: Option<StorageError>,
}

impl HostProcess {
    /// Starts the program; the first of the words is its path. The error is for people.
    pub(in super::super) fn start(command: &[String]) -> Result<Self, String> {
        let [program, arguments @ ..] = command else { return Err("the host's command is empty".into()) };
        let problem = |error: io::Error| format!("cannot run the host `{}`: {error}", command.join(" "));
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(problem)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let Some(output) = output else { return Err("no pipes".into()) };
        let (output, writer) = (BufReader::new(output), Writer::default());
        let mut host = Self { child, input, output, writer, nodes: 0, is_busy: false };
        let silent = |error| format!("the host `{}` does not speak: {error}", command.join(" "));
        let mut hello = Reader::new(host.receive().map_err(silent)?);
        match hello.number() {
            VERSION => Ok(host),
            other => Err(format!("the host speaks version {other} of the protocol, expected {VERSION}")),
        }
    }

    /// Whether the process can be used for another run.
    pub(in super::super) fn is_usable(&mut self) -> bool {
        !self.is_busy && matches!(self.child.try_wait(), Ok(None))
    }

    /// Lets the process end by itself, which says at that whether it found anything wrong (its memory
    /// is leaking, say). The error is for people.
    pub(in super::super) fn finish(&mut self) -> Result<(), String> {
        self.input = None;
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("the host ended with {status}")),
            Err(error) => Err(format!("the host did not end: {error}")),
        }
    }

    /// Whether a command is unfinished.
    pub(super) fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Sends a command for a node, and serves the host until it answers.
    pub(super) fn exchange(&mut self, node: u64, disk: &Disk, command: impl FnOnce(&mut Writer)) -> Answer {
        assert!(!std::mem::replace(&mut self.is_busy, true), "the host did not finish its last command");
        self.writer.begin();
        command(&mut self.writer);
        self.send();
        let mut failed_read = None;
        loop {
            let frame = self.receive();
            let mut frame = Reader::new(frame.unwrap_or_else(|error| self.died(&error)));
            match frame.byte() {
                ANSWER => {
                    self.is_busy = false;
                    return read_answer(frame, failed_read);
                }
                READ => {
                    if frame.number() != node {
                        broken("it reads another node's storage");
                    }
                    self.writer.begin();
                    if let Err(error) = serve(disk, &mut frame, &mut self.writer) {
                        self.writer.begin();
                        self.writer.byte(code_of(&error));
                        failed_read = Some(error);
                    }
                    frame.end();
                    self.send();
                }
                other => broken(format_args!("{other} is no kind of frame")),
            }
        }
    }

    fn send(&mut self) {
        let closed = || Err(io::ErrorKind::BrokenPipe.into());
        let sent = self.input.as_mut().map_or_else(closed, |input| input.write_all(self.writer.finish()));
        sent.unwrap_or_else(|error| self.died(&error));
    }

    fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.output.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_le_bytes(length) as usize];
        self.output.read_exact(&mut frame)?;
        Ok(frame)
    }

    fn died(&mut self, error: &io::Error) -> ! {
        // It closed its pipes, so it is ending.
        let status = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        panic!("the host ended in the middle of a command: {status} ({error})")
    }
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        // There is nothing to save in it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_answer(mut frame: Reader, failed_read: Option<StorageError>) -> Answer {
    let status = i64::from_le_bytes(frame.number().to_le_bytes());
    let text = String::from_utf8_lossy(&frame.bytes()).into_owned();
    let state = frame.flag().then(|| read_state(&mut frame));
    Answer { status, text, state, value: frame, failed_read }
}

pub(super) fn read_state(frame: &mut Reader) -> State {
    let hard = frame.hard_state();
    let soft = SoftState { leader: frame.number(), role: read_role(frame) };
    State { hard, soft, has_ready: frame.flag() }
}

pub(super) fn read_role(frame: &mut Reader) -> RoleKind {
    match frame.byte() {
        0 => RoleKind::Follower,
        1 => RoleKind::PreCandidate,
        2 => RoleKind::Candidate,
        3 => RoleKind::Leader,
        other => broken(format_args!("{other} is no role")),
    }
}

/// Answers a read of the storage.
fn serve(disk: &impl Storage, request: &mut Reader, answer: &mut Writer) -> Result<(), StorageError> {
    answer.byte(0);
    match request.byte() {
        1 => {
            let (hard_state, conf_state) = disk.initial_state()?;
            answer.hard_state(hard_state);
            answer.conf_state(&conf_state);
        }
        2 => {
            let (low, high, max_bytes) = (request.number(), request.number(), request.number());
            answer.entries(&disk.entries(low, high, max_bytes)?);
        }
        3 => answer.number(disk.term(request.number())?),
        4 => answer.number(disk.first_index()?),
        5 => answer.number(disk.last_index()?),
        6 => answer.snapshot(&disk.snapshot()?),
        other => broken(format_args!("{other} is no read")),
    }
    Ok(())
}

fn code_of(error: &StorageError) -> u8 {
    match error {
        StorageError::Compacted => 1,
        StorageError::Unavailable => 2,
        StorageError::SnapshotUnavailable => 3,
        _ => 4,
    }
}
