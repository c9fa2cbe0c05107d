//! The structs are laid out as programs that were compiled earlier believe (64-bit platforms). The
//! same numbers are in `ffi/tests/c/layout.c`: a change here breaks the binary interface.
#![cfg(all(target_pointer_width = "64", not(miri)))]

use std::mem::offset_of;

use raftcore_ffi::*;

macro_rules! layouts {
    ($($name:ident: $size:literal { $($field:ident: $at:literal,)* })*) => {
        #[test]
        fn sizes_and_offsets_are_fixed() {
            $(
                assert_eq!(size_of::<$name>(), $size, stringify!($name));
                $(assert_eq!(offset_of!($name, $field), $at, stringify!($name.$field));)*
            )*
        }

        /// Each listed struct, with the names of its fields.
        const LISTED: &[(&str, &[&str])] = &[$((stringify!($name), &[$(stringify!($field)),*])),*];
    };
}

layouts! {
    raft_config: 152 {
        struct_size: 0,
        id: 8,
        seed: 16,
        applied: 24,
        election_ticks: 32,
        heartbeat_ticks: 36,
        max_message_bytes: 40,
        max_inflight_bytes: 48,
        max_uncommitted_bytes: 56,
        max_committed_bytes_per_ready: 64,
        log_cache_bytes: 72,
        max_inflight_messages: 80,
        read_mode: 84,
        dialect: 88,
        pre_vote: 92,
        check_quorum: 93,
        forward_proposals: 94,
        validate_conf_changes: 95,
        step_down_on_removal: 96,
        etcd_compat: 97,
        priority: 104,
        async_storage_writes: 112,
        apply_before_persist: 113,
        lend_snapshots: 114,
        group_id: 120,
        max_waiting_bytes: 128,
        max_waiting_messages: 136,
        max_uncommitted_entries: 140,
        max_pending_reads: 144,
    }
    raft_slice: 16 {
        data: 0,
        len: 8,
    }
    raft_entry: 40 {
        term: 0,
        index: 8,
        kind: 16,
        flags: 20,
        data: 24,
    }
    raft_conf_state: 72 {
        voters: 0,
        voters_len: 8,
        learners: 16,
        learners_len: 24,
        voters_outgoing: 32,
        voters_outgoing_len: 40,
        learners_next: 48,
        learners_next_len: 56,
        auto_leave: 64,
    }
    raft_snapshot: 104 {
        term: 0,
        index: 8,
        conf_state: 16,
        data: 88,
    }
    raft_hard_state: 24 {
        term: 0,
        vote: 8,
        commit: 16,
    }
    raft_storage: 80 {
        struct_size: 0,
        context: 8,
        initial_state: 16,
        entries: 24,
        term: 32,
        first_index: 40,
        last_index: 48,
        snapshot: 56,
        release: 64,
        snapshot_for: 72,
    }
    raft_entry_id: 16 {
        term: 0,
        index: 8,
    }
    raft_soft_state: 16 {
        leader: 0,
        role: 8,
    }
    raft_message: 32 {
        to: 0,
        r#type: 8,
        requires_persistence: 12,
        bytes: 16,
    }
    raft_read_state: 24 {
        index: 0,
        context: 8,
    }
    raft_ack: 40 {
        kind: 0,
        flags: 4,
        numbers: 8,
    }
    raft_snapshot_message: 32 {
        to: 0,
        message: 8,
        snapshot: 24,
    }
    raft_ready_view: 192 {
        struct_size: 0,
        must_sync: 8,
        has_soft_state: 9,
        has_hard_state: 10,
        has_snapshot: 11,
        has_storage_append: 12,
        soft_state: 16,
        hard_state: 32,
        entries: 56,
        entries_len: 64,
        snapshot: 72,
        snapshot_encoded: 80,
        committed_entries: 96,
        committed_entries_len: 104,
        messages: 112,
        messages_len: 120,
        read_states: 128,
        read_states_len: 136,
        storage_acks: 144,
        storage_acks_len: 152,
        apply_ack: 160,
        snapshot_buffer: 168,
        snapshot_messages: 176,
        snapshot_messages_len: 184,
    }
    raft_persist: 64 {
        entries: 0,
        entries_len: 8,
        hard_state: 16,
        snapshot: 24,
        snapshot_encoded: 32,
        must_sync: 48,
        snapshot_buffer: 56,
    }
    raft_host: 80 {
        struct_size: 0,
        context: 8,
        persist: 16,
        send: 24,
        apply: 32,
        apply_snapshot: 40,
        apply_conf_change: 48,
        read: 56,
        state_changed: 64,
        send_snapshot: 72,
    }
    raft_memory_storage_info: 72 {
        struct_size: 0,
        hard_state: 8,
        first_index: 32,
        last_index: 40,
        last_term: 48,
        snapshot_index: 56,
        snapshot_term: 64,
    }
    raft_message_info: 56 {
        struct_size: 0,
        r#type: 8,
        from: 16,
        to: 24,
        term: 32,
        entries: 40,
        payload_bytes: 48,
    }
    raft_message_fields: 128 {
        struct_size: 0,
        r#type: 8,
        reject: 12,
        transfer: 13,
        from: 16,
        to: 24,
        term: 32,
        log_term: 40,
        index: 48,
        reject_hint: 56,
        commit: 64,
        priority: 72,
        entries: 80,
        entries_len: 88,
        context: 96,
        snapshot: 112,
        commit_term: 120,
    }
    raft_conf_change_op: 16 {
        kind: 0,
        node: 8,
    }
    raft_conf_change: 48 {
        struct_size: 0,
        ops: 8,
        ops_len: 16,
        transition: 24,
        context: 32,
    }
    raft_node_status_info: 104 {
        struct_size: 0,
        id: 8,
        term: 16,
        vote: 24,
        commit: 32,
        applied: 40,
        persisted: 48,
        first_index: 56,
        last_index: 64,
        last_term: 72,
        leader: 80,
        transferee: 88,
        role: 96,
        is_voter: 100,
    }
    raft_progress: 56 {
        id: 0,
        matched: 8,
        next: 16,
        pending_snapshot: 24,
        state: 32,
        is_learner: 36,
        is_paused: 37,
        is_active: 38,
        is_inflight_full: 39,
        inflight_messages: 40,
        inflight_bytes: 48,
    }
    raft_observer: 64 {
        struct_size: 0,
        context: 8,
        log: 16,
        trace: 24,
        release: 32,
        log_level: 40,
        time: 48,
        trace_format: 56,
    }
    raft_checked_storage: 64 {
        struct_size: 0,
        context: 8,
        storage: 16,
        reset: 24,
        persist: 32,
        compact: 40,
        reopen: 48,
        set_failing: 56,
    }
    raft_storage_finding: 48 {
        struct_size: 0,
        rule: 8,
        demand: 16,
        outcome: 24,
        expected: 32,
        got: 40,
    }
    raft_log_position: 40 {
        node: 0,
        term: 8,
        last: 16,
        commit: 32,
    }
    raft_recovery_request: 56 {
        struct_size: 0,
        node: 8,
        applied: 16,
        members: 24,
        survivors: 32,
        survivors_len: 40,
        dialect: 48,
    }
    raft_recovery_plan: 128 {
        struct_size: 0,
        persist: 8,
        before: 16,
        last: 88,
        committed: 104,
        changes: 112,
        may_miss_committed: 120,
    }
}

#[test]
fn every_struct_of_the_header_is_listed_with_all_its_fields() {
    let header = include_str!("../../include/raftcore.h");
    let mut structs: Vec<(String, Vec<String>)> = Vec::new();
    let mut inside = false;
    for line in header.lines().map(|line| line.split("//").next().unwrap_or_default()) {
        if let Some(name) = line.strip_prefix("typedef struct ").and_then(|rest| rest.strip_suffix(" {")) {
            structs.push((name.to_owned(), Vec::new()));
            inside = true;
        } else if line.starts_with('}') {
            inside = false;
        } else if let (true, Some((_, fields))) = (inside, structs.last_mut()) {
            fields.extend(field_name(line));
        }
    }
    let listed: Vec<(String, Vec<String>)> = LISTED
        .iter()
        .map(|(name, fields)| {
            let plain = |field: &&str| field.trim_start_matches("r#").to_owned();
            ((*name).to_owned(), fields.iter().map(plain).collect())
        })
        .collect();
    assert_eq!(structs, listed);
}

/// The name that a line of a struct declares, if it begins a declaration.
fn field_name(line: &str) -> Option<String> {
    if let Some((_, rest)) = line.split_once("(*") {
        return rest.split_once(')').map(|(name, _)| name.to_owned());
    }
    if let Some(renamed) = line.trim().strip_prefix("RAFT_RENAMED(") {
        return renamed.split(", ").nth(1).map(str::to_owned);
    }
    // Further lines of a callback's arguments are indented deeper.
    let plain = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '))?.strip_suffix(';')?;
    let plain = plain.split('[').next()?;
    let name = plain.rsplit([' ', '*']).next()?;
    Some(name.to_owned())
}
