//! A node with a host that tells what it does.

use raftcore::trace::EtcdTracer;
use raftcore::{Body, Error, MemoryStorage, Message, NO_NODE, RawNode, Ready};

pub(super) struct Observer {
    pub(super) raft: RawNode<MemoryStorage>,
    tracer: EtcdTracer,
}

impl Observer {
    /// A node that starts, for the first time or again.
    pub(super) fn start(raft: RawNode<MemoryStorage>, events: &mut Vec<String>) -> Self {
        let tracer = EtcdTracer::start(&raft.status(), &mut |event| events.push(event.to_owned()));
        Self { raft, tracer }
    }

    /// Whether the node refuses what the specification grants, as etcd/raft does: a vote in a term
    /// whose leader it knows, although it has voted for nobody in it. Such a message is lost instead.
    pub(super) fn is_stricter_than_specified(&self, message: &Message) -> bool {
        let (hard, soft) = (self.raft.hard_state(), self.raft.soft_state());
        let has_leader = soft.leader != NO_NODE && hard.vote == NO_NODE && hard.term == message.term;
        has_leader && matches!(message.body, Body::Vote(_))
    }

    /// Tells that a message is about to be stepped.
    pub(super) fn receives(&self, message: &Message, events: &mut Vec<String>) {
        self.tracer.receives(message, &mut |event| events.push(event.to_owned()));
    }

    /// Gives the node an input, and does all the work that follows; messages go to `network`.
    pub(super) fn work(
        &mut self,
        input: impl FnOnce(&mut RawNode<MemoryStorage>) -> Result<(), Error>,
        network: &mut Vec<Message>,
        events: &mut Vec<String>,
    ) {
        let tell = &mut |event: &str| events.push(event.to_owned());
        // What a node refuses changes nothing, and is not told.
        let _ = input(&mut self.raft);
        self.tracer.changed(&self.raft.status(), tell);
        while self.raft.has_ready() {
            let ready = self.raft.ready().expect("a storage in memory can be read");
            self.tracer.takes(&self.raft.status(), &ready, tell);
            store(&mut self.raft, &ready);
            network.extend(ready.messages.iter().cloned());
            self.tracer.advances(&self.raft.status(), tell);
            self.raft.advance(ready).expect("its own Ready, stored as it asked");
            self.tracer.changed(&self.raft.status(), tell);
        }
    }
}

fn store(raft: &mut RawNode<MemoryStorage>, ready: &Ready) {
    assert!(ready.snapshot.is_none(), "nothing is compacted here");
    raft.storage_mut().append(&ready.entries).expect("no gap in the log");
    if let Some(hard_state) = ready.hard_state {
        raft.storage_mut().set_hard_state(hard_state);
    }
}
