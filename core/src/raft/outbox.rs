//! What the node wants to send: at once, or only when what it promises is durable.

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
    deferred: Vec<Deferred>,
}

impl Outbox {
    /// Queues a message. Votes and acknowledgements, refusals included, wait for durability: they
    /// are answers from the state that is being stored (thesis section 3.8). With `hold_candidacy` so
    /// do requests for votes: a node that led a term which its disk does not know could lead it again
    /// after a crash, with another log.
    pub(crate) fn push(&mut self, message: Message, hold_candidacy: bool) {
        match &message.body {
            Body::AppendReply(_) | Body::VoteReply(_) => self.deferred.push(Deferred::Send(message)),
            Body::Vote(vote) if !vote.pre && hold_candidacy => self.deferred.push(Deferred::Send(message)),
            _ => self.now.push(message),
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

    pub(crate) fn is_empty(&self) -> bool {
        self.now.is_empty() && self.deferred.is_empty()
    }

    pub(crate) fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// Takes the messages that may leave now, leaving `empty` in their place.
    pub(crate) fn take_now(&mut self, empty: Vec<Message>) -> Vec<Message> {
        std::mem::replace(&mut self.now, empty)
    }

    pub(crate) fn drain_deferred(&mut self) -> std::vec::Drain<'_, Deferred> {
        self.deferred.drain(..)
    }
}
