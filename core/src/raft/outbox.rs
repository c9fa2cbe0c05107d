//! What the node wants to send: at once, or only when what it promises is durable. And the reads that it has to
//! answer to its own host.

use std::fmt;

use crate::config::Config;
use crate::input::Ack;
use crate::message::{Body, Message};
use crate::ready::ReadState;
use crate::types::{Index, Term};

/// Something that waits until all that is to be stored now is durable.
#[derive(Clone, Debug)]
pub(crate) enum Deferred {
    Send(Message),
    Acknowledge(Ack),
}

/// Small while nothing waits: most of many groups are at rest.
#[derive(Clone, Default)]
pub(crate) struct Outbox {
    queues: Option<Box<Queues>>,
}

impl fmt::Debug for Outbox {
    /// Whether there are empty queues, or none, is a matter of memory alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.queues {
            Some(queues) => queues.fmt(f),
            None => Queues::default().fmt(f),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Queues {
    now: Vec<Message>,
    /// Synchronous writes: what the host holds back until the rest of the `Ready` is stored.
    held: Vec<Message>,
    /// What comes back to this node, and with asynchronous writes what is sent, in this order.
    deferred: Vec<Deferred>,
    /// Reads of this host's that may be served.
    reads: Vec<ReadState>,
    /// Bytes of others that wait for the next `Ready`, here and in the log.
    bytes: u64,
}

impl Queues {
    fn messages(&self) -> usize {
        self.now.len() + self.held.len() + self.deferred.len()
    }
}

impl Outbox {
    #[inline]
    fn queues(&mut self) -> &mut Queues {
        #[cold]
        fn make() -> Box<Queues> {
            Box::default()
        }
        self.queues.get_or_insert_with(make)
    }

    /// Queues a message. Votes and acknowledgements, refusals included, wait for durability: they
    /// are answers from the state that is being stored (thesis section 3.8).
    #[inline(always)]
    pub(crate) fn push(&mut self, message: Message, config: &Config) {
        let queues = self.queues();
        queues.bytes = queues.bytes.saturating_add(held_bytes(&message.body));
        if !waits(&message.body, config) {
            push_tight(&mut queues.now, message);
        } else if config.async_storage_writes {
            queues.deferred.push(Deferred::Send(message));
        } else {
            push_tight(&mut queues.held, message);
        }
    }

    /// Queues a read that may be served.
    pub(crate) fn serve(&mut self, read: ReadState) {
        self.hold(read.context.len() as u64);
        self.queues().reads.push(read);
    }

    /// The candidate's own vote counts once it is durable.
    pub(crate) fn own_vote(&mut self, term: Term, pre: bool) {
        self.queues().deferred.push(Deferred::Acknowledge(Ack::OwnVote { term, pre }));
    }

    /// The leader's own log counts as far as it is durable. If appends are coalesced, so are their
    /// acknowledgements.
    #[inline]
    pub(crate) fn own_append(&mut self, term: Term, index: Index, coalesce: bool) {
        let deferred = &mut self.queues().deferred;
        if let Some(Deferred::Acknowledge(Ack::OwnAppend { term: same, index: last })) = deferred.last_mut() {
            if coalesce && *same == term {
                *last = index;
                return;
            }
        }
        deferred.push(Deferred::Acknowledge(Ack::OwnAppend { term, index }));
    }

    /// Counts bytes that stay in memory until the next `Ready` is taken.
    #[inline]
    pub(crate) fn hold(&mut self, bytes: u64) {
        let queues = self.queues();
        queues.bytes = queues.bytes.saturating_add(bytes);
    }

    /// Bytes of others that wait for the next `Ready`.
    pub(crate) fn bytes(&self) -> u64 {
        self.queues.as_ref().map_or(0, |queues| queues.bytes)
    }

    /// Messages, notices and reads that wait.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.queues.as_ref().map_or(0, |queues| queues.messages() + queues.reads.len())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn has_deferred(&self) -> bool {
        self.queues.as_ref().is_some_and(|queues| !queues.deferred.is_empty())
    }

    /// Puts into empty vectors the reads, and the messages that may leave now and, with synchronous writes,
    /// those that the host holds back, after them. Their memory serves for the next ones.
    #[inline]
    pub(crate) fn take(&mut self, messages: &mut Vec<Message>, reads: &mut Vec<ReadState>) {
        let Some(queues) = self.queues.as_deref_mut() else { return };
        queues.bytes = 0;
        std::mem::swap(reads, &mut queues.reads);
        if queues.now.is_empty() {
            std::mem::swap(messages, &mut queues.held);
            return;
        }
        std::mem::swap(messages, &mut queues.now);
        messages.append(&mut queues.held);
    }

    /// Takes back what was taken and not sent or served, to be handed out before what has come since.
    pub(crate) fn put_back(
        &mut self,
        messages: &mut Vec<Message>,
        reads: &mut Vec<ReadState>,
        deferred: &mut Vec<Deferred>,
        config: &Config,
    ) {
        let queues = self.queues();
        let (now, held) = (std::mem::take(&mut queues.now), std::mem::take(&mut queues.held));
        messages.drain(..).for_each(|message| self.push(message, config));
        let bytes = reads.iter().map(|read| read.context.len() as u64).sum();
        self.hold(bytes);
        let queues = self.queues();
        queues.now.extend(now);
        queues.held.extend(held);
        deferred.append(&mut queues.deferred);
        std::mem::swap(&mut queues.deferred, deferred);
        reads.append(&mut queues.reads);
        std::mem::swap(&mut queues.reads, reads);
    }

    /// Lets the memory go, if nothing waits.
    pub(crate) fn shrink(&mut self) {
        if self.is_empty() && self.bytes() == 0 {
            self.queues = None;
        }
    }

    /// Takes what was deferred in exchange for an empty vector.
    pub(crate) fn swap_deferred(&mut self, taken: &mut Vec<Deferred>) {
        if let Some(queues) = self.queues.as_deref_mut() {
            std::mem::swap(&mut queues.deferred, taken);
        }
    }

    pub(crate) fn take_deferred(&mut self) -> Vec<Deferred> {
        self.queues.as_deref_mut().map(|queues| std::mem::take(&mut queues.deferred)).unwrap_or_default()
    }
}

/// Whether a message promises what is perhaps not durable yet. With asynchronous writes so do requests
/// for votes: a node that led a term which its disk does not know could lead it again after a crash,
/// with another log. With synchronous writes the host knows of those by itself.
fn waits(body: &Body, config: &Config) -> bool {
    match body {
        Body::AppendReply(_) | Body::VoteReply(_) => true,
        Body::Vote(vote) => !vote.pre && config.async_storage_writes && !config.eager_append,
        _ => false,
    }
}

/// Bytes in a message that its cause brought: what is forwarded or repeated. Entries of the node's own log
/// are not among them.
#[inline]
fn held_bytes(body: &Body) -> u64 {
    match body {
        Body::Propose(propose) => propose.entries.encoded_len(),
        Body::ReadIndex(request) => request.context.len() as u64,
        Body::ReadIndexReply(reply) => reply.context.len() as u64,
        Body::HeartbeatReply(reply) => reply.context.len() as u64,
        _ => 0,
    }
}

/// Adds a message to what seldom holds more than one: a node has this memory for itself.
#[inline(always)]
fn push_tight(messages: &mut Vec<Message>, message: Message) {
    if messages.capacity() == 0 {
        messages.reserve_exact(1);
    }
    messages.push(message);
}
