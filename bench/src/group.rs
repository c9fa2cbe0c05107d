//! A group of nodes in one thread: the same loop for every library.

use bytes::Bytes;

use crate::Failure;
use crate::payload::{Look, Sequence};
use crate::peer::{Node, Settings};

/// How messages get from node to node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// As they are.
    Memory,
    /// Encoded by the sender and decoded by the receiver.
    Encoded,
}

/// A group, its first member the leader (once it is elected).
pub(crate) struct Group<N: Node> {
    pub(crate) nodes: Vec<N>,
    /// What each node has applied.
    pub(crate) applied: Vec<Sequence>,
    /// Messages for each node.
    inboxes: Vec<Vec<N::Message>>,
    /// The same, encoded.
    encoded: Vec<Vec<Bytes>>,
    /// Being delivered.
    delivery: Vec<N::Message>,
    out: Vec<N::Message>,
    transport: Transport,
    /// How many messages were sent so far.
    pub(crate) messages: u64,
}

impl<N: Node> Group<N> {
    /// A new group that has elected its first node.
    pub(crate) fn new(settings: Settings, transport: Transport, look: Look) -> Result<Self, Failure> {
        let nodes: Result<Vec<_>, _> =
            settings.members().into_iter().map(|id| N::new(id, settings)).collect();
        let mut group = Self::of(nodes?, transport, look, Settings::FIRST_INDEX);
        group.elect()?;
        Ok(group)
    }

    /// A group of the given nodes, numbered from 1, which have applied what is up to `index`.
    pub(crate) fn of(nodes: Vec<N>, transport: Transport, look: Look, index: u64) -> Self {
        let count = nodes.len();
        Self {
            nodes,
            applied: vec![Sequence::new(look, index); count],
            inboxes: (0..count).map(|_| Vec::new()).collect(),
            encoded: vec![Vec::new(); count],
            delivery: Vec::new(),
            out: Vec::new(),
            transport,
            messages: 0,
        }
    }

    /// Makes the first node the leader.
    pub(crate) fn elect(&mut self) -> Result<(), Failure> {
        self.nodes[0].campaign()?;
        self.settle()?;
        if self.nodes[0].is_leader() { Ok(()) } else { Err("the first node was not elected".into()) }
    }

    /// Runs until there is nothing left to do.
    pub(crate) fn settle(&mut self) -> Result<(), Failure> {
        while self.turn()? {}
        Ok(())
    }

    /// Each node receives what waits for it and does what it has to do. False if there was nothing.
    fn turn(&mut self) -> Result<bool, Failure> {
        let mut worked = false;
        for at in 0..self.nodes.len() {
            self.deliver(at)?;
            while self.nodes[at].work(&mut self.out, &mut self.applied[at])? {
                worked = true;
                self.post()?;
            }
        }
        Ok(worked)
    }

    fn deliver(&mut self, at: usize) -> Result<(), Failure> {
        match self.transport {
            Transport::Memory if self.inboxes[at].is_empty() => return Ok(()),
            Transport::Memory => std::mem::swap(&mut self.delivery, &mut self.inboxes[at]),
            Transport::Encoded => {
                for bytes in self.encoded[at].drain(..) {
                    self.delivery.push(N::decode(&bytes)?);
                }
            }
        }
        for message in self.delivery.drain(..) {
            self.nodes[at].step(message)?;
        }
        Ok(())
    }

    /// Puts what was sent where it is to go.
    fn post(&mut self) -> Result<(), Failure> {
        self.messages += self.out.len() as u64;
        for message in self.out.drain(..) {
            let to = N::receiver(&message) as usize - 1;
            match self.transport {
                Transport::Memory => self.inboxes[to].push(message),
                Transport::Encoded => self.encoded[to].push(N::encode(&message)?),
            }
        }
        Ok(())
    }
}
