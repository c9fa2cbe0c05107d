//! `include/raftcore.h` is what cbindgen makes of the sources.
//!
//! `UPDATE_HEADER=1 cargo test -p raftcore-ffi --test header` writes it; without it a header that is
//! out of date fails.
#![cfg(not(miri))]

use std::path::{Path, PathBuf};
use std::{env, fs};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn generate() -> String {
    let template = fs::read_to_string(root().join("cbindgen.toml")).expect("cbindgen.toml");
    let settings = template
        .replace("@MAJOR@", env!("CARGO_PKG_VERSION_MAJOR"))
        .replace("@MINOR@", env!("CARGO_PKG_VERSION_MINOR"))
        .replace("@PATCH@", env!("CARGO_PKG_VERSION_PATCH"));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cbindgen.toml");
    fs::write(&file, settings).expect("a temporary file");
    let bindings = cbindgen::Builder::new()
        .with_crate(root())
        .with_config(cbindgen::Config::from_file(&file).expect("valid settings"))
        .generate()
        .expect("cbindgen reads the sources");
    let mut header = Vec::new();
    bindings.write(&mut header);
    polish(&String::from_utf8(header).expect("text"))
}

/// Members that can be called by their old names too: type, name, old name. Each name is one struct's alone.
const RENAMED: [(&str, &str, &str); 2] =
    [("bool", "etcd_compat", "eager_append"), ("uint64_t", "persisted", "stabled")];

fn with_old_names(mut header: String) -> String {
    for (kind, name, old) in RENAMED {
        let line = format!("\n  {kind} {name};\n");
        assert_eq!(header.matches(&line).count(), 1, "{name}");
        header = header.replace(&line, &format!("\n  RAFT_RENAMED({kind}, {name}, {old});\n"));
    }
    header
}

/// What cbindgen has no setting for: structs with tags, so that programs can declare them ahead,
/// while uses stay short; negative constants in parentheses; no double blank lines.
fn polish(header: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut open = 0;
    for line in header.lines() {
        if line == "typedef struct {" {
            open = lines.len();
        } else if let Some(name) = line.strip_prefix("} ").and_then(|rest| rest.strip_suffix(';')) {
            lines[open] = format!("typedef struct {name} {{");
        }
        let is_define = line.starts_with("#define RAFT_");
        match line.split_once(" -").filter(|_| is_define) {
            Some((name, number)) => lines.push(format!("{name} (-{number})")),
            None if line.is_empty() && lines.last().is_some_and(String::is_empty) => {}
            None => lines.push(line.to_owned()),
        }
    }
    with_old_names(lines.join("\n") + "\n")
}

#[test]
fn the_committed_header_is_up_to_date() {
    let path = root().join("../include/raftcore.h");
    let header = generate();
    if env::var_os("UPDATE_HEADER").is_some() {
        fs::write(&path, &header).expect("the header can be written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == header,
        "include/raftcore.h is out of date: UPDATE_HEADER=1 cargo test -p raftcore-ffi --test header"
    );
}
