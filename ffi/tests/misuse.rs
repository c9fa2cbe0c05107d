//! What can be wrong with an argument is wrong in some C test. The list is made from the functions
//! themselves: an argument that nobody has tried fails here. (What the calls answer is seen when
//! `ffi/tests/c/misuse_test.c` runs its table, and that nothing is left when `ownership_test.c` does.)
#![cfg(not(miri))]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::{FnArg, ForeignItem, Item, Pat, Type};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let wanted =
        |path: &PathBuf| path.extension().is_some_and(|it| extensions.contains(&&*it.to_string_lossy()));
    entries.filter(wanted).collect()
}

// ---- What the library declares -----------------------------------------------------------------------

#[derive(Debug, PartialEq)]
enum Kind {
    /// To a struct that begins with its size, or to anything else; to a pointer, through which memory is
    /// handed out.
    Pointer {
        sized: bool,
        to_pointer: bool,
    },
    Release,
    Callback,
    Slice,
    /// How many elements the pointer before it has.
    Len,
    /// In place of an enum.
    Constant,
    Other,
}

struct Argument {
    name: String,
    kind: Kind,
}

struct Function {
    name: String,
    arguments: Vec<Argument>,
}

impl Function {
    fn has_arguments(&self) -> bool {
        !self.arguments.is_empty()
    }

    /// Whether memory goes over the boundary, in either direction.
    fn moves_memory(&self) -> bool {
        let moves = |kind: &Kind| matches!(kind, Kind::Release | Kind::Pointer { to_pointer: true, .. });
        self.name.ends_with("_free") || self.arguments.iter().any(|it| moves(&it.kind))
    }
}

fn last_segment(kind: &Type) -> String {
    match kind {
        Type::Path(path) => path.path.segments.last().expect("a name").ident.to_string(),
        _ => String::new(),
    }
}

fn kind_of(name: &str, kind: &Type, before: Option<&Argument>, sized: &BTreeSet<String>) -> Kind {
    let follows_pointer = before.is_some_and(|it| matches!(it.kind, Kind::Pointer { .. }));
    match kind {
        // A host's own pointer, of which the library knows nothing.
        Type::Ptr(_) if name == "context" => Kind::Other,
        Type::Ptr(it) => Kind::Pointer {
            sized: sized.contains(&last_segment(&it.elem)),
            to_pointer: matches!(*it.elem, Type::Ptr(_)),
        },
        _ => match last_segment(kind).as_str() {
            "Option" if name == "release" => Kind::Release,
            "Option" => Kind::Callback,
            "raft_slice" => Kind::Slice,
            "i32" => Kind::Constant,
            "usize" if name == "len" && follows_pointer => Kind::Len,
            _ => Kind::Other,
        },
    }
}

fn arguments_of(inputs: impl Iterator<Item = FnArg>, sized: &BTreeSet<String>) -> Vec<Argument> {
    let mut arguments: Vec<Argument> = Vec::new();
    for input in inputs {
        let FnArg::Typed(input) = input else { panic!("a method") };
        let Pat::Ident(name) = &*input.pat else { panic!("an argument without a name") };
        let name = name.ident.to_string();
        let kind = kind_of(&name, &input.ty, arguments.last(), sized);
        arguments.push(Argument { name, kind });
    }
    arguments
}

/// Nobody else sets their sizes.
const FILLED_BY_THE_LIBRARY: [&str; 2] = ["raft_ready_view", "raft_storage_finding"];

/// Every function that leaves the library.
fn functions() -> Vec<Function> {
    let sources: Vec<_> = files(&root().join("ffi/src"), &["rs"]);
    let items: Vec<_> =
        sources.iter().flat_map(|it| syn::parse_file(&read(it)).expect("Rust").items).collect();
    let sized: BTreeSet<String> = items
        .iter()
        .filter_map(|item| match item {
            Item::Struct(it) => {
                let first = it.fields.iter().next()?.ident.as_ref()?;
                let sized =
                    first == "struct_size" && !FILLED_BY_THE_LIBRARY.contains(&&*it.ident.to_string());
                sized.then(|| it.ident.to_string())
            }
            _ => None,
        })
        .collect();
    assert!(sized.contains("raft_config") && sized.contains("raft_observer"));
    let exported = |item: &Item| match item {
        Item::Fn(it) if it.sig.ident.to_string().starts_with("raft_") => Some(Function {
            name: it.sig.ident.to_string(),
            arguments: arguments_of(it.sig.inputs.iter().cloned(), &sized),
        }),
        Item::ForeignMod(it) => {
            assert!(!it.items.iter().any(|it| matches!(it, ForeignItem::Fn(_))), "a function from elsewhere");
            None
        }
        _ => None,
    };
    let found: Vec<_> = items.iter().filter_map(exported).collect();
    assert!(found.len() > 80, "only {} functions were found", found.len());
    found
}

// ---- What the tests call ------------------------------------------------------------------------------

struct Call {
    function: String,
    arguments: Vec<String>,
}

/// The arguments between the parentheses that `text` begins behind; what nests stays together.
fn arguments_in(text: &str) -> Vec<String> {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    let mut arguments = vec![String::new()];
    for letter in text.chars() {
        let plain = !quoted && !escaped;
        quoted ^= letter == '"' && !escaped;
        escaped = quoted && letter == '\\' && !escaped;
        match letter {
            '(' | '{' | '[' if plain => depth += 1,
            ')' | '}' | ']' if plain && depth > 0 => depth -= 1,
            ')' if plain => break,
            ',' if plain && depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        arguments.last_mut().expect("one").push(letter);
    }
    // A macro for two arguments.
    let both = |it: String| match it.trim() {
        "LENT" | "LEND" => vec!["release".to_owned(), "context".to_owned()],
        it => vec![it.to_owned()],
    };
    arguments.into_iter().flat_map(both).collect()
}

/// Every `name(...)` whose name begins so, those within others' arguments included.
fn calls(text: &str, prefix: &str) -> Vec<Call> {
    let starts = text
        .match_indices(prefix)
        .filter(|(at, _)| !text[..*at].ends_with(|it: char| it.is_alphanumeric() || it == '_'));
    starts
        .filter_map(|(at, _)| {
            let (name, rest) = text[at..].split_once('(')?;
            let is_name = name.chars().all(|it| it.is_alphanumeric() || it == '_');
            is_name.then(|| Call { function: name.to_owned(), arguments: arguments_in(rest) })
        })
        .collect()
}

/// A line of the table of mistakes.
struct Row {
    name: String,
    status: String,
    words: String,
    calls: Vec<Call>,
}

fn rows() -> Vec<Row> {
    let text = read(&root().join("ffi/tests/c/misuse_cases.h"));
    let lines = calls(&text, "CASE").into_iter().map(|line| {
        let [name, _, status, words, call @ ..] = &line.arguments[..] else { panic!("not a CASE") };
        Row {
            name: name.clone(),
            status: status.clone(),
            words: words.clone(),
            calls: calls(&call.join(","), "raft_"),
        }
    });
    lines.collect()
}

/// All calls in C tests, the table's included.
fn tried() -> Vec<Call> {
    let tests = files(&root().join("ffi/tests/c"), &["c", "h"]);
    tests.iter().flat_map(|it| calls(&read(it), "raft_")).collect()
}

// ---- The rules ----------------------------------------------------------------------------------------

/// What somebody must have passed for an argument; and whether this is it.
type Mistake = (&'static str, fn(&str) -> bool);

fn mistakes(kind: &Kind) -> Vec<Mistake> {
    let null: Mistake = ("NULL", |it| it == "NULL");
    match kind {
        Kind::Pointer { .. } | Kind::Release | Kind::Callback => vec![null],
        Kind::Slice => {
            vec![("DANGLING", |it| it == "DANGLING"), ("ENDLESS", |it| matches!(it, "ENDLESS" | "ABSURD"))]
        }
        Kind::Len => vec![("SIZE_MAX", |it| it.starts_with("SIZE_MAX"))],
        Kind::Constant | Kind::Other => vec![],
    }
}

#[test]
fn each_argument_is_tried_with_what_it_must_not_be() {
    let (rows, tried) = (rows(), tried());
    let mut missing = BTreeSet::new();
    for function in functions() {
        for (place, argument) in function.arguments.iter().enumerate() {
            let passes = |call: &Call, is_it: fn(&str) -> bool| {
                call.function == function.name && call.arguments.get(place).is_some_and(|it| is_it(it))
            };
            for (what, is_it) in mistakes(&argument.kind) {
                if !tried.iter().any(|call| passes(call, is_it)) {
                    missing.insert(format!("{}: {what} for `{}`", function.name, argument.name));
                }
            }
            let told = |row: &Row, words: &str| {
                row.words.contains(words) && row.calls.iter().any(|call| call.function == function.name)
            };
            let named = format!("`{}`", argument.name);
            if argument.kind == Kind::Constant && !rows.iter().any(|row| told(row, &named)) {
                missing.insert(format!("{}: an unknown `{}`", function.name, argument.name));
            }
            let sized = matches!(argument.kind, Kind::Pointer { sized: true, .. });
            if sized && !rows.iter().any(|row| told(row, &format!("{named} has struct_size"))) {
                missing.insert(format!("{}: a wrong struct_size of `{}`", function.name, argument.name));
            }
        }
    }
    assert!(missing.is_empty(), "misuse_cases.h has no line for: {missing:#?}");
}

/// What is refused is named, and as the header names it.
#[test]
fn each_refusal_names_the_argument() {
    let functions = functions();
    // It is the one that tells.
    let refusals = rows()
        .into_iter()
        .filter(|row| row.status == "RAFT_ERR_INVALID_ARGUMENT" && row.name != "last_error_buffer");
    let names_one = |row: &Row, call: &Call| {
        let function = functions.iter().find(|it| it.name == call.function).expect("a function");
        let begins = |name: &str| row.words.contains(&format!("`{name}"));
        function.arguments.iter().any(|it| begins(&it.name))
    };
    let wrong: Vec<_> = refusals
        .filter(|row| !row.calls.iter().any(|call| names_one(row, call)) && !row.calls.is_empty())
        .map(|row| format!("{}: {}", row.name, row.words))
        .collect();
    assert!(wrong.is_empty(), "no argument is named: {wrong:#?}");
}

#[test]
fn each_function_that_moves_memory_is_counted() {
    let text = read(&root().join("ffi/tests/c/ownership_test.c"));
    let counted: BTreeSet<_> = calls(&text, "raft_").into_iter().map(|call| call.function).collect();
    let moving: Vec<_> =
        functions().into_iter().filter(|it| it.has_arguments() && it.moves_memory()).collect();
    assert!(moving.len() > 25, "only {} functions move memory", moving.len());
    let missing: Vec<_> = moving.iter().map(|it| &it.name).filter(|it| !counted.contains(*it)).collect();
    assert!(missing.is_empty(), "ownership_test.c does not call: {missing:#?}");
}

/// A function of a node, or of a memory storage.
fn works_on_an_object(function: &Function) -> bool {
    let is_object = |name: &str, prefix: &str| {
        let of_it =
            |it: &Argument| it.name == name && matches!(it.kind, Kind::Pointer { to_pointer: false, .. });
        function.name.starts_with(prefix) && function.arguments.first().is_some_and(of_it)
    };
    is_object("node", "raft_") || is_object("storage", "raft_memory_storage_")
}

#[test]
fn each_function_of_a_node_is_called_in_a_child_that_has_inherited_it() {
    let text = read(&root().join("ffi/tests/c/fork_cases.h"));
    let called: BTreeSet<_> = calls(&text, "raft_").into_iter().map(|call| call.function).collect();
    let wanted: Vec<_> = functions().into_iter().filter(works_on_an_object).collect();
    assert!(wanted.len() > 50, "only {} functions work on a node or a memory storage", wanted.len());
    let missing: Vec<_> = wanted.iter().map(|it| &it.name).filter(|it| !called.contains(*it)).collect();
    assert!(missing.is_empty(), "fork_cases.h has no line for: {missing:#?}");
}
