//! `docs/abi.md` maps everything that the core offers to its C function or struct and to its Python
//! counterpart. A public item without a row, and a row that names something that is not there, fail.
#![cfg(not(miri))]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::{GenericArgument, ImplItem, Item, PathArguments, TraitItem, Type, UseTree, Visibility};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All source files below a folder, tests aside.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.extension().and_then(|it| it.to_str()) {
            None => sources(&path, found),
            Some("rs") if !path.ends_with("tests.rs") => found.push(path),
            _ => {}
        }
    }
}

fn parse(path: &Path) -> syn::File {
    syn::parse_file(&fs::read_to_string(path).expect("a source")).expect("Rust")
}

/// The names that a `use` brings.
fn used(tree: &UseTree, found: &mut BTreeSet<String>) {
    match tree {
        UseTree::Path(path) => used(&path.tree, found),
        UseTree::Name(name) => _ = found.insert(name.ident.to_string()),
        UseTree::Group(group) => group.items.iter().for_each(|tree| used(tree, found)),
        UseTree::Rename(_) | UseTree::Glob(_) => panic!("a `use` that this test does not understand"),
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_hidden(attributes: &[syn::Attribute]) -> bool {
    let hides = |meta: &syn::Meta| matches!(meta, syn::Meta::List(it) if it.tokens.to_string() == "hidden");
    attributes.iter().any(|it| it.path().is_ident("doc") && hides(&it.meta))
}

/// What a module shows: names that it re-exports or defines publicly; modules within by their path.
fn shown_by(file: &Path, prefix: &str, found: &mut BTreeMap<String, String>) {
    for item in parse(file).items {
        let mut names = BTreeSet::new();
        match item {
            Item::Use(it) if is_public(&it.vis) => used(&it.tree, &mut names),
            Item::Fn(it) if is_public(&it.vis) => _ = names.insert(it.sig.ident.to_string()),
            Item::Struct(it) if is_public(&it.vis) => _ = names.insert(it.ident.to_string()),
            Item::Enum(it) if is_public(&it.vis) => _ = names.insert(it.ident.to_string()),
            Item::Trait(it) if is_public(&it.vis) => _ = names.insert(it.ident.to_string()),
            Item::Const(it) if is_public(&it.vis) => _ = names.insert(it.ident.to_string()),
            Item::Type(it) if is_public(&it.vis) => _ = names.insert(it.ident.to_string()),
            Item::Mod(it) if is_public(&it.vis) => {
                let folder = match file.file_stem().and_then(|it| it.to_str()) {
                    Some("lib") => file.with_file_name(""),
                    _ => file.with_extension(""),
                };
                let inner = folder.join(format!("{}.rs", it.ident));
                shown_by(&inner, &format!("{prefix}{}::", it.ident), found);
            }
            _ => {}
        }
        for name in names {
            // A type that is shown twice (`storage::Storage`): the shorter path counts. Functions of one
            // name are different functions.
            let path = format!("{prefix}{name}");
            let is_type = name.starts_with(char::is_uppercase);
            let key = if is_type { name } else { path.clone() };
            let shown = found.entry(key).or_insert_with(|| path.clone());
            if path.len() < shown.len() {
                *shown = path;
            }
        }
    }
}

/// Everything public: types, functions, constants, and the methods of the types.
fn public_items() -> BTreeSet<String> {
    let core = root().join("core/src");
    let mut shown = BTreeMap::new();
    shown_by(&core.join("lib.rs"), "", &mut shown);
    let mut items: BTreeSet<String> = shown.values().cloned().collect();
    let mut files = Vec::new();
    sources(&core, &mut files);
    for item in files.iter().flat_map(|file| parse(file).items) {
        match item {
            Item::Impl(it) if it.trait_.is_none() => {
                let Type::Path(path) = &*it.self_ty else { continue };
                let name = path.path.segments.last().expect("a name").ident.to_string();
                let Some(path) = shown.get(&name) else { continue };
                items.extend(it.items.iter().filter_map(|member| match member {
                    ImplItem::Fn(it) if is_public(&it.vis) && !is_hidden(&it.attrs) => {
                        Some(format!("{path}::{}", it.sig.ident))
                    }
                    _ => None,
                }));
            }
            Item::Trait(it) => {
                let Some(path) = shown.get(&it.ident.to_string()) else { continue };
                items.extend(it.items.iter().filter_map(|member| match member {
                    TraitItem::Fn(it) => Some(format!("{path}::{}", it.sig.ident)),
                    _ => None,
                }));
            }
            _ => {}
        }
    }
    items
}

/// The rows of the table: Rust, C, Python.
fn rows() -> Vec<[String; 3]> {
    let text = fs::read_to_string(root().join("docs/abi.md")).expect("docs/abi.md");
    let table = text.split("<!-- table -->").nth(1).expect("the table's mark");
    let cells = |line: &str| -> Option<[String; 3]> {
        let cells: Vec<_> = line.strip_prefix("| `")?.trim_end_matches('|').split(" | ").collect();
        let [rust, c, python] = cells[..] else { panic!("three cells: {line}") };
        Some([rust.trim_end_matches('`'), c.trim(), python.trim()].map(str::to_owned))
    };
    table.lines().filter_map(cells).collect()
}

/// The names in a cell, which stand between backquotes.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn each_public_item_of_the_core_has_a_row() {
    let items = public_items();
    assert!(items.len() > 150, "only {} items were found", items.len());
    assert!(items.contains("RawNode::tick") && items.contains("wire::encode"));
    let rows: BTreeSet<_> = rows().into_iter().map(|[rust, ..]| rust).collect();
    let missing: Vec<_> = items.difference(&rows).collect();
    let gone: Vec<_> = rows.difference(&items).collect();
    assert!(missing.is_empty() && gone.is_empty(), "no row: {missing:#?}\nno such item: {gone:#?}");
}

#[test]
fn what_the_table_names_exists() {
    let header = fs::read_to_string(root().join("include/raftcore.h")).expect("the header");
    let package = root().join("python/raftcore");
    let mut python = String::new();
    for entry in fs::read_dir(package).expect("the package") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|it| it == "py" || it == "pyi") {
            python += &fs::read_to_string(path).expect("a module");
        }
    }
    let has = |text: &str, name: &str| {
        text.split(|it: char| !it.is_alphanumeric() && it != '_').any(|word| word == name)
    };
    for [rust, c, py] in rows() {
        for name in names(&c) {
            let known = name.split('.').all(|part| has(&header, part.trim_end_matches('*')));
            assert!(known, "{rust}: {name} is not in the header");
        }
        for name in names(&py) {
            let known = name.split('.').all(|part| has(&python, part));
            assert!(known, "{rust}: {name} is not in the Python package");
        }
        assert!(!c.is_empty() && !py.is_empty(), "{rust}: an empty cell; say why there is nothing");
    }
}

#[test]
fn each_function_of_the_header_is_in_the_document() {
    let header = fs::read_to_string(root().join("include/raftcore.h")).expect("the header");
    let document = fs::read_to_string(root().join("docs/abi.md")).expect("docs/abi.md");
    let declared = header.split("\nRAFT_API").skip(1).filter_map(|rest| {
        let head = rest.split('(').next()?;
        head.rsplit([' ', '*', '\n']).next()
    });
    let missing: Vec<_> = declared.filter(|name| !document.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "not in docs/abi.md: {missing:#?}");
}

/// What may be called in a callback, what its failure does, and when it comes again.
#[test]
fn each_callback_of_a_table_has_a_row() {
    let document = fs::read_to_string(root().join("docs/abi.md")).expect("docs/abi.md");
    let section = document.split("\n## ").find(|it| it.starts_with("Callbacks\n")).expect("a section");
    let rows: Vec<_> =
        section.lines().filter(|it| it.starts_with('|') && it.matches('|').count() == 6).collect();
    let mut files = Vec::new();
    sources(&root().join("ffi/src"), &mut files);
    let structs = files.iter().flat_map(|file| parse(file).items).filter_map(|item| match item {
        Item::Struct(it) if it.ident.to_string().starts_with("raft_") => Some(it),
        _ => None,
    });
    let is_callback = |field: &syn::Field| {
        let Type::Path(path) = &field.ty else { return false };
        let Some(PathArguments::AngleBracketed(inner)) = path.path.segments.last().map(|it| &it.arguments)
        else {
            return false;
        };
        matches!(inner.args.first(), Some(GenericArgument::Type(Type::BareFn(_))))
    };
    let callbacks: Vec<_> = structs
        .flat_map(|it| {
            let named = it.fields.into_iter().filter(is_callback).filter_map(|field| field.ident);
            named.map(|name| (it.ident.to_string(), name.to_string())).collect::<Vec<_>>()
        })
        .collect();
    assert!(callbacks.len() > 20, "only {} callbacks were found", callbacks.len());
    let has_row = |(table, name): &&(String, String)| {
        let named = |row: &&str| match name.as_str() {
            "release" => row.contains("`release`"),
            name => row.contains(&format!("`{table}.{name}`")) || row.contains(&format!("`{table}.*`")),
        };
        rows.iter().any(named)
    };
    let missing: Vec<_> = callbacks.iter().filter(|it| !has_row(it)).collect();
    assert!(missing.is_empty(), "no row in docs/abi.md: {missing:#?}");
}
