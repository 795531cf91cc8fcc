//! Imports point one way: who decides knows nobody, who is decided for knows only what it is made of.
//!
//! Read from the source itself: every path in `src/`, in a `use` or written out, counts. Comments and strings
//! do not, so docs may link wherever they like.

mod tokens;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, iter,
    path::{Path, PathBuf},
};

use tokens::{is_name, tokens};

/// The folders and files right under `src/` that are held to a list: of the crate, and of others.
const ROOMS: [Room; 5] = [
    Room { name: "sequence", rooms: &[], crates: Some(&["std"]) },
    Room {
        name: "drain",
        rooms: &[],
        crates: Some(&[
            "std",
            "actix_http",
            "actix_rt",
            "actix_service",
            "actix_web",
            "bytes",
            "futures_core",
            "futures_util",
            "pin_project_lite",
            "slab",
            "socket2",
            "tokio",
        ]),
    },
    Room { name: "server", rooms: &["drain", "os"], crates: None },
    Room { name: "actors", rooms: &["drain", "sequence", "server", "locale"], crates: None },
    Room { name: "os", rooms: &[], crates: None },
];

struct Room {
    name: &'static str,
    /// Besides itself.
    rooms: &'static [&'static str],
    /// `None` is any.
    crates: Option<&'static [&'static str]>,
}

impl Room {
    fn may_import(&self, import: &Import) -> bool {
        match import {
            Import::Room(room) => room == self.name || self.rooms.contains(&room.as_str()),
            Import::Crate(name) => self.crates.is_none_or(|crates| crates.contains(&name.as_str())),
        }
    }
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Import {
    /// A module right under the crate's root, or an item of the root itself.
    Room(String),
    Crate(String),
}

#[test]
fn every_room_imports_only_what_it_may() {
    let dependencies = dependencies();
    let mut wrong = Vec::new();
    for (file, module) in library() {
        let Some(room) = ROOMS.iter().find(|room| module.first().is_some_and(|name| name == room.name))
        else {
            continue;
        };
        let imports = imports(&read(&file), &module, &dependencies);
        let refused = imports.into_iter().filter(|import| !room.may_import(import));
        wrong.extend(refused.map(|import| format!("{}: {import:?}", file.display())));
    }
    assert!(wrong.is_empty(), "imports that point the wrong way:\n{}", wrong.join("\n"));
}

/// The rooms that no list names may import each other too, as long as none imports whoever imports it.
#[test]
fn no_room_imports_itself_in_a_circle() {
    let dependencies = dependencies();
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, module) in library() {
        let Some(from) = module.first() else { continue };
        for import in imports(&read(&file), &module, &dependencies) {
            if let Import::Room(to) = import
                && to != *from
            {
                edges.entry(from.clone()).or_default().insert(to);
            }
        }
    }
    // Whoever imports nobody that is left is taken away, until nobody can be.
    loop {
        let before = edges.len();
        let left: BTreeSet<String> = edges.keys().cloned().collect();
        edges.retain(|_, to| !to.is_disjoint(&left));
        if edges.len() == before {
            break;
        }
    }
    assert!(edges.is_empty(), "these rooms import each other in a circle: {edges:#?}");
}

/// The binary is another crate: it can reach into the library's files only by naming one.
#[test]
fn no_file_is_compiled_into_a_place_that_is_not_its_own() {
    let include = ["#[path=", ",path=)]", "include!("];
    let foreign = sources("src").into_iter().filter(|file| {
        let code = tokens(&read(file)).join("");
        include.iter().any(|found| code.contains(found))
    });
    let foreign: Vec<_> = foreign.collect();
    assert!(foreign.is_empty(), "`#[path]` or `include!` in {foreign:?}");
}

/// What is in `tests/` but in no module of `tests/main.rs` would never run, and nobody would know.
#[test]
fn every_test_file_is_part_of_the_one_test_binary() {
    let main = tokens(&read(&root().join("tests/main.rs"))).join(" ");
    let tests = root().join("tests");
    let forgotten = sources("tests").into_iter().filter_map(|file| {
        let first =
            file.strip_prefix(&tests).ok()?.iter().next()?.to_str()?.trim_end_matches(".rs").to_owned();
        (first != "main" && !main.contains(&format!("mod {first} ;"))).then_some(first)
    });
    assert_eq!(forgotten.collect::<BTreeSet<_>>(), BTreeSet::new());
}

#[test]
fn an_import_is_seen_wherever_it_stands() {
    let seen = |code: &str| -> Vec<String> {
        let dependencies = BTreeSet::from(["tokio".to_owned()]);
        let module = ["drain".to_owned(), "gate".to_owned()];
        let name = |import| match import {
            Import::Room(name) => format!("crate::{name}"),
            Import::Crate(name) => name,
        };
        imports(code, &module, &dependencies).into_iter().map(name).collect()
    };
    assert_eq!(seen("use crate::actors::Supervisor;"), ["crate::actors"]);
    assert_eq!(seen("pub(crate) use crate::{os, locale::{self, Word}};"), ["crate::locale", "crate::os"]);
    assert_eq!(seen("use {std::fmt, super::super::os::exit};"), ["crate::os", "std"]);
    assert_eq!(seen("use super::connections; use self::x::y;"), ["crate::drain"]);
    assert_eq!(
        seen("mod tests { use super::*; use super::super::super::os; }"),
        ["crate::drain", "crate::os"]
    );
    assert_eq!(seen("use crate as all; use super::super::*;"), ["crate::*", "crate::all"]);
    assert_eq!(seen("fn f() { if x { crate::os::exit(1) } }"), ["crate::os"]);
    assert_eq!(
        seen("impl From<crate::actors::A> for super::super::locale::B {}"),
        ["crate::actors", "crate::locale"]
    );
    assert_eq!(seen("macro_rules! m { () => { $crate::os::exit() } }"), ["crate::os"]);
    assert_eq!(seen("async fn f<'a>(x: &'a str) { ::tokio::spawn(g('\\'', 'x')); }"), ["tokio"]);
    assert_eq!(seen("#[tokio::test] fn f() { Duration::from_secs(1); }"), ["tokio"]);
    assert_eq!(seen("extern crate tokio;"), ["tokio"]);
    assert_eq!(
        seen("use gate::Gate; pub(in crate::drain) struct S; fn f(x: a::tokio::B) {}"),
        ["crate::drain"]
    );
    assert_eq!(
        seen("// use crate::os;\n/* crate::os /* crate::os */ crate::os */ //! [`crate::os`]"),
        [""; 0]
    );
    assert_eq!(
        seen(r##"f("crate::os \" crate::os", r#"crate::"os"#, b"crate::os", '"', "crate::os")"##),
        [""; 0]
    );
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Every Rust file under a folder of the package.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut folders = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty(), "no source in {folder}");
    files
}

/// The library's files, each with the path of its module.
fn library() -> Vec<(PathBuf, Vec<String>)> {
    let src = root().join("src");
    let files = sources("src").into_iter().filter(|file| !file.starts_with(src.join("bin")));
    let module = |file: &PathBuf| -> Vec<String> {
        let inside = file.strip_prefix(&src).unwrap_or(file).with_extension("");
        let names = inside.iter().map(|name| name.to_string_lossy().into_owned());
        names.filter(|name| name != "mod" && name != "lib").collect()
    };
    files.map(|file| (file.clone(), module(&file))).collect()
}

/// The names by which code could call another crate.
fn dependencies() -> BTreeSet<String> {
    let manifest = read(&root().join("Cargo.toml"));
    let mut listed = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if let Some(table) = line.strip_prefix('[') {
            listed = table.contains("dependencies");
        } else if let Some((name, _)) = line.split_once('=').filter(|_| listed) {
            names.insert(name.trim().replace('-', "_"));
        }
    }
    assert!(names.contains("actix_web"), "no dependencies in {names:?}");
    names
}

/// Where the paths of a file lead, other than within its own module.
fn imports(code: &str, module: &[String], dependencies: &BTreeSet<String>) -> BTreeSet<Import> {
    let tokens = tokens(code);
    let mut found = BTreeSet::new();
    // For each open brace, whether it is that of an inline module, in which `super` leads less far.
    let mut braces = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let depth = module.len() + braces.iter().filter(|&&is_module| is_module).count();
        let mut note = |path: &[&str]| found.extend(import(path, module, depth, dependencies));
        match tokens[at] {
            "{" => braces.push(at >= 2 && tokens[at - 2] == "mod"),
            "}" => drop(braces.pop()),
            // Not the `use<'a>` of a type.
            "use" if tokens.get(at + 1) != Some(&"<") => {
                at = use_tree(&tokens, at + 1, &mut Vec::new(), &mut note);
                continue;
            }
            "extern" if tokens.get(at + 1) == Some(&"crate") => {
                note(&tokens[at + 2..(at + 3).min(tokens.len())]);
                at += 2;
            }
            token if is_name(token) => {
                let path: Vec<&str> = iter::once(token)
                    .chain(tokens[at + 1..].chunks_exact(2).map_while(|pair| match pair {
                        ["::", name] if is_name(name) => Some(*name),
                        _ => None,
                    }))
                    .collect();
                if path.len() > 1 {
                    note(&path);
                }
                // To the path's last name: what follows a `::` of its own is not where a path begins.
                at += 2 * (path.len() - 1);
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Notes each path of a `use`, from after a prefix on; answers with the index after it.
fn use_tree<'a>(
    tokens: &[&'a str],
    mut at: usize,
    prefix: &mut Vec<&'a str>,
    note: &mut impl FnMut(&[&str]),
) -> usize {
    let own = prefix.len();
    while let Some(&token) = tokens.get(at) {
        at += 1;
        match token {
            "{" => {
                while tokens.get(at).is_some_and(|&token| token != "}") {
                    at = use_tree(tokens, at, prefix, note);
                    at += usize::from(tokens.get(at) == Some(&","));
                }
                at += 1;
                prefix.truncate(own);
                return at;
            }
            "," | "}" | ";" => {
                at -= 1;
                break;
            }
            // `crate as all` then leads to a room that nobody may import, and that is as it should be.
            "::" | "as" => {}
            name => prefix.push(name),
        }
    }
    note(prefix);
    prefix.truncate(own);
    at
}

fn import(path: &[&str], module: &[String], depth: usize, dependencies: &BTreeSet<String>) -> Option<Import> {
    let supers = path.iter().filter(|&&name| name == "super").count();
    let room = |name: Option<&&str>| Some(Import::Room((*name.unwrap_or(&"*")).to_owned()));
    match *path.first()? {
        "crate" => room(path.get(1)),
        "self" | "super" => match depth.saturating_sub(supers) {
            0 => room(path.iter().find(|&&name| name != "self" && name != "super")),
            _ if supers == 0 => None,
            _ => Some(Import::Room(module[0].clone())),
        },
        name @ ("std" | "core" | "alloc") => Some(Import::Crate(name.to_owned())),
        name => dependencies.contains(name).then(|| Import::Crate(name.to_owned())),
    }
}
