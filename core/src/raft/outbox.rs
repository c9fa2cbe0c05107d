//! What the node wants to send: at once, or only when what it promises is durable.

use crate::config::Config;
use crate::input::Ack;
use crate::message::{Body, Message};
use crate::types::{Index, Term};

/// Something that waits until all that is to be stored now is durable.
#[derive(Clone, Debug)]
pub(crate) enum Deferred {
    Send(Message),
    Acknowledge(Ack),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    now: Vec<Message>,
    /// Synchronous writes: what the host holds back until the rest of the `Ready` is stored.
    held: Vec<Message>,
    /// What comes back to this node, and with asynchronous writes what is sent, in this order.
    deferred: Vec<Deferred>,
    /// Bytes of others that wait for the next `Ready`, here and in the log.
    bytes: u64,
}

impl Outbox {
    /// Queues a message. Votes and acknowledgements, refusals included, wait for durability: they
    /// are answers from the state that is being stored (thesis section 3.8).
    #[inline]
    pub(crate) fn push(&mut self, message: Message, config: &Config) {
        self.hold(held_bytes(&message.body));
        if !waits(&message.body, config) {
            push_tight(&mut self.now, message);
        } else if config.async_storage_writes {
            self.deferred.push(Deferred::Send(message));
        } else {
            push_tight(&mut self.held, message);
        }
    }

    /// The candidate's own vote counts once it is durable.
    pub(crate) fn own_vote(&mut self, term: Term, pre: bool) {
        self.deferred.push(Deferred::Acknowledge(Ack::OwnVote { term, pre }));
    }

    /// The leader's own log counts as far as it is durable. If appends are coalesced, so are their
    /// acknowledgements.
    pub(crate) fn own_append(&mut self, term: Term, index: Index, coalesce: bool) {
        if let Some(Deferred::Acknowledge(Ack::OwnAppend { term: same, index: last })) =
            self.deferred.last_mut()
        {
            if coalesce && *same == term {
                *last = index;
                return;
            }
        }
        self.deferred.push(Deferred::Acknowledge(Ack::OwnAppend { term, index }));
    }

    /// Counts bytes that stay in memory until the next `Ready` is taken.
    #[inline]
    pub(crate) fn hold(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Bytes of others that wait for the next `Ready`.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Messages and notices that wait.
    pub(crate) fn len(&self) -> usize {
        self.now.len() + self.held.len() + self.deferred.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.now.is_empty() && self.held.is_empty() && self.deferred.is_empty()
    }

    pub(crate) fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// Puts into an empty vector the messages that may leave now and, with synchronous writes, those that
    /// the host holds back, after them. Its memory serves for the next ones.
    pub(crate) fn take(&mut self, messages: &mut Vec<Message>) {
        self.bytes = 0;
        if self.now.is_empty() {
            std::mem::swap(messages, &mut self.held);
            return;
        }
        std::mem::swap(messages, &mut self.now);
        messages.append(&mut self.held);
    }

    /// Takes back what was taken and not sent, to be handed out before what has come since.
    pub(crate) fn put_back(
        &mut self,
        messages: &mut Vec<Message>,
        deferred: &mut Vec<Deferred>,
        config: &Config,
    ) {
        let (now, held) = (std::mem::take(&mut self.now), std::mem::take(&mut self.held));
        messages.drain(..).for_each(|message| self.push(message, config));
        self.now.extend(now);
        self.held.extend(held);
        deferred.append(&mut self.deferred);
        std::mem::swap(&mut self.deferred, deferred);
    }

    /// Lets the memory go that nothing is in.
    pub(crate) fn shrink(&mut self) {
        self.now.shrink_to_fit();
        self.held.shrink_to_fit();
        self.deferred.shrink_to_fit();
    }

    /// Takes what was deferred in exchange for an empty vector.
    pub(crate) fn swap_deferred(&mut self, taken: &mut Vec<Deferred>) {
        std::mem::swap(&mut self.deferred, taken);
    }

    pub(crate) fn drain_deferred(&mut self) -> std::vec::Drain<'_, Deferred> {
        self.deferred.drain(..)
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
#[inline]
fn push_tight(messages: &mut Vec<Message>, message: Message) {
    if messages.capacity() == 0 {
        messages.reserve_exact(1);
    }
    messages.push(message);
}
