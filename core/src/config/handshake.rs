//! What members of a group must agree on, as bytes that their hosts exchange when they connect.
//!
//! ```text
//! 0 version | 1 dialect | 2 leases | 3 zero | 4 election_ticks | 8 heartbeat_ticks | 12 zero | 16 group_id
//! ```
//!
//! Numbers are little-endian. A later version adds bytes at the end, and keeps the meaning of these.

use super::Config;
use crate::error::ConfigError;
use crate::wire::Dialect;

/// Bytes of a handshake in this version.
pub const HANDSHAKE_BYTES: usize = 24;

const VERSION: u8 = 1;

/// What a peer's handshake says.
struct Terms {
    dialect: u8,
    has_leases: bool,
    election_ticks: u32,
    heartbeat_ticks: u32,
    group_id: u64,
}

impl Config {
    /// What a peer needs to know to tell whether it can be in one group with this node. Hosts send it when
    /// they connect, and check the peer's with [`Self::check_handshake`]. It is no message of Raft.
    pub fn handshake(&self) -> [u8; HANDSHAKE_BYTES] {
        let terms = self.terms();
        let mut bytes = [0; HANDSHAKE_BYTES];
        (bytes[0], bytes[1], bytes[2]) = (VERSION, terms.dialect, u8::from(terms.has_leases));
        bytes[4..8].copy_from_slice(&terms.election_ticks.to_le_bytes());
        bytes[8..12].copy_from_slice(&terms.heartbeat_ticks.to_le_bytes());
        bytes[16..].copy_from_slice(&terms.group_id.to_le_bytes());
        bytes
    }

    /// Whether the node that sent `peer`, its [`Self::handshake`], fits this one; the error names the field
    /// that does not. A host refuses the connection then, and logs why.
    ///
    /// - `group_id`: both have one, and they differ.
    /// - `dialect`: they differ.
    /// - `election_ticks`: both read by leases, and they differ; or the peer's are not more than this
    ///   node's `heartbeat_ticks`, so that it would campaign between two heartbeats.
    /// - `heartbeat_ticks`: the peer's are not less than this node's `election_ticks`.
    /// - `handshake`: the bytes are none.
    ///
    /// A peer that counts no leases fits one that does: its answers grant none
    /// ([`crate::ReadMode::Lease`]).
    pub fn check_handshake(&self, peer: &[u8]) -> Result<(), ConfigError> {
        let problem = |field, problem| Err(ConfigError { field, problem });
        let own = self.terms();
        let Some(peer) = Terms::decode(peer) else {
            return problem("handshake", "is not one of raftcore");
        };
        if own.group_id != peer.group_id && own.group_id != 0 && peer.group_id != 0 {
            return problem("group_id", "is not the peer's: it belongs to another group");
        }
        if own.dialect != peer.dialect {
            return problem("dialect", "is not the peer's");
        }
        if own.has_leases && peer.has_leases && own.election_ticks != peer.election_ticks {
            return problem("election_ticks", "are not the peer's, and both read by leases");
        }
        if peer.election_ticks <= own.heartbeat_ticks {
            return problem("election_ticks", "of the peer are not more than this node's heartbeat_ticks");
        }
        if peer.heartbeat_ticks >= own.election_ticks {
            return problem("heartbeat_ticks", "of the peer are not less than this node's election_ticks");
        }
        Ok(())
    }

    fn terms(&self) -> Terms {
        Terms {
            dialect: match self.dialect {
                Dialect::Etcd => 0,
                Dialect::Tikv => 1,
            },
            has_leases: self.lease_ticks() > 0,
            election_ticks: self.election_ticks,
            heartbeat_ticks: self.heartbeat_ticks,
            group_id: self.group_id,
        }
    }
}

impl Terms {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let known = bytes.first_chunk::<HANDSHAKE_BYTES>()?;
        let number = |at: usize| Some(u32::from_le_bytes(known.get(at..at + 4)?.try_into().ok()?));
        Some(Self {
            dialect: known[1],
            has_leases: known[2] != 0,
            election_ticks: number(4)?,
            heartbeat_ticks: number(8)?,
            group_id: u64::from(number(16)?) | u64::from(number(20)?) << 32,
        })
        .filter(|_| known[0] >= VERSION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ReadMode;

    fn leased(election_ticks: u32) -> Config {
        Config { read_mode: ReadMode::Lease, election_ticks, ..Config::new(1) }
    }

    /// The field in which `own` and `peer` do not fit, as each of them sees it.
    fn refused(own: &Config, peer: &Config) -> [Option<&'static str>; 2] {
        let sees = |own: &Config, peer: &Config| own.check_handshake(&peer.handshake()).err();
        [sees(own, peer), sees(peer, own)].map(|refusal| refusal.map(|error| error.field))
    }

    #[test]
    fn what_members_must_agree_on_is_named() {
        let of_group = |group_id| Config { group_id, ..Config::new(1) };
        let tikv = Config { dialect: Dialect::Tikv, ..Config::new(2) };
        let slow = Config { heartbeat_ticks: 10, election_ticks: 100, ..Config::new(2) };
        for (own, peer, fields) in [
            (Config::new(1), Config::new(2), [None; 2]),
            (of_group(7), of_group(7 << 40), [Some("group_id"); 2]),
            (of_group(7), of_group(7), [None; 2]),
            (of_group(7), of_group(0), [None; 2]),
            (Config::new(1), tikv, [Some("dialect"); 2]),
            (leased(10), leased(11), [Some("election_ticks"); 2]),
            (leased(10), leased(10), [None; 2]),
            (leased(10), Config { election_ticks: 11, ..Config::new(2) }, [None; 2]),
            (Config::new(1), slow, [Some("heartbeat_ticks"), Some("election_ticks")]),
        ] {
            assert_eq!(refused(&own, &peer), fields, "{own:?} {peer:?}");
        }
    }

    #[test]
    fn a_handshake_of_a_later_version_is_understood_and_other_bytes_are_not() {
        let own = Config::new(1);
        let mut later = [&own.handshake()[..], b"more"].concat();
        later[0] = 2;
        assert_eq!(own.check_handshake(&later), Ok(()));
        let version_0 = [0; HANDSHAKE_BYTES];
        for other in [&[][..], &version_0, &own.handshake()[1..], b"GET / HTTP/1.1"] {
            assert_eq!(own.check_handshake(other).unwrap_err().field, "handshake", "{other:?}");
        }
    }
}
