//! The direction of imports: between the folders of the library, and between the files of every crate here.
//!
//! Read from the source: every path counts, in a `use` or written out. Comments and strings do not, so docs may link
//! anywhere.

mod paths;
mod source;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};

use paths::{Path, paths};
use source::{File, Source, read, root, sources};

/// The folders and single files under `src/`, lowest first: each may import those before it, and no other.
const ORDER: [&str; 13] = [
    "virtual_time",
    "sync",
    "os",
    "sequence",
    "locale",
    "report",
    "drain",
    "server",
    "actors",
    "exit",
    "logging",
    "settings",
    "admin",
];

/// Folders with a narrower rule: the other folders of the library that they may import.
const ONLY: [(&str, &[&str]); 3] = [
    ("sequence", &[]),
    ("drain", &["sync", "virtual_time"]),
    ("actors", &["virtual_time", "sync", "os", "sequence", "locale", "report", "drain", "server"]),
];

/// State machines, which import nothing but `std` and files beside them: no clock, thread, log or socket.
const PURE: [&str; 3] = ["src/sequence", "src/drain/connection/state.rs", "src/server/lifecycle.rs"];

/// What every request goes through neither logs nor knows of actors.
const NOT_IN_DRAIN: [&str; 2] = ["actix", "log"];

#[test]
fn a_folder_imports_only_the_folders_below_it() {
    let library = Source::library();
    let mut wrong = Vec::new();
    for file in &library.files {
        let Some(folder) = file.module.first() else { continue };
        let Some(level) = ORDER.iter().position(|name| name == folder) else {
            wrong.push(format!("{}: `{folder}` is not in ORDER", file.name));
            continue;
        };
        let only = ONLY.iter().find(|(name, _)| name == folder).map(|(_, only)| *only);
        for path in paths(file, &library) {
            let Path::Own(path) = path else { continue };
            let name = path.first().map_or("*", String::as_str);
            let is_allowed = name == folder
                || ORDER[..level].contains(&name) && only.is_none_or(|only| only.contains(&name));
            if !is_allowed {
                wrong.push(format!("{}: crate::{}", file.name, path.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that point the wrong way:\n{}", wrong.join("\n"));
}

#[test]
fn a_state_machine_imports_nothing_but_std() {
    let library = Source::library();
    let is_pure = |file: &&File| PURE.iter().any(|pure| file.name.starts_with(pure));
    for file in library.files.iter().filter(is_pure) {
        for path in paths(file, &library) {
            match path {
                Path::Foreign(name) => assert_eq!(name, "std", "{}", file.name),
                Path::Own(path) => {
                    let beside = &file.module[..file.module.len().saturating_sub(1).max(1)];
                    assert!(path.starts_with(beside), "{}: crate::{}", file.name, path.join("::"));
                }
            }
        }
    }
    assert!(library.files.iter().filter(is_pure).count() > 2, "{PURE:?} has no files");
}

#[test]
fn the_path_of_a_request_neither_logs_nor_knows_of_actors() {
    let library = Source::library();
    for file in library.files.iter().filter(|file| file.module.first().is_some_and(|name| name == "drain")) {
        for path in paths(file, &library) {
            if let Path::Foreign(name) = path {
                assert!(!NOT_IN_DRAIN.contains(&name.as_str()), "{}: {name}", file.name);
            }
        }
    }
}

/// Neither directly nor through others. A folder's `mod.rs` imports what it re-exports, so a file inside the folder
/// that imports from its `mod.rs` is in a circle as well.
#[test]
fn no_file_imports_one_that_imports_it() {
    let mut circles = Vec::new();
    for source in Source::all() {
        let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for file in &source.files {
            let of_file = imports.entry(&file.name).or_default();
            for path in paths(file, &source) {
                if let Path::Own(path) = path
                    && let Some(to) = source.file_of(&path)
                    && to.name != file.name
                {
                    of_file.insert(&to.name);
                }
            }
        }
        circles.extend(shortest_circles(&imports).into_iter().map(|(_, path)| path.join(" -> ")));
    }
    assert!(
        circles.is_empty(),
        "{} files import each other in a circle:\n{}",
        circles.len(),
        circles.join("\n")
    );
}

/// For each node that can reach itself, a shortest path on which it does.
fn shortest_circles<'a>(edges: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Vec<(&'a str, Vec<&'a str>)> {
    let circle = |&start: &&'a str| {
        let mut ends = vec![vec![start]];
        let mut seen = BTreeSet::new();
        while !ends.is_empty() {
            let mut longer = Vec::new();
            for path in ends {
                for &next in path.last().and_then(|last| edges.get(last)).into_iter().flatten() {
                    let path = [&path[..], &[next]].concat();
                    if next == start {
                        return Some((start, path));
                    }
                    if seen.insert(next) {
                        longer.push(path);
                    }
                }
            }
            ends = longer;
        }
        None
    };
    edges.keys().filter_map(circle).collect()
}

#[test]
fn a_circle_of_files_is_found() {
    let edges = |pairs: &[(&'static str, &'static str)]| {
        let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for &(from, to) in pairs {
            edges.entry(from).or_default().insert(to);
            edges.entry(to).or_default();
        }
        edges
    };
    assert_eq!(shortest_circles(&edges(&[("a", "b"), ("b", "c"), ("a", "c")])), []);
    let circles = shortest_circles(&edges(&[("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")]));
    assert_eq!(circles, [("b", vec!["b", "c", "b"]), ("c", vec!["c", "b", "c"])]);
}

/// The application is another crate: it can reach into the library's files only by naming one.
#[test]
fn no_file_is_compiled_into_another_crate() {
    let include = ["#[path=", ",path=)]", "include!("];
    let foreign = sources("src").into_iter().filter(|file| {
        let code = tokens::tokens(&read(file)).join("");
        include.iter().any(|found| code.contains(found))
    });
    let foreign: Vec<_> = foreign.collect();
    assert!(foreign.is_empty(), "`#[path]` or `include!` in {foreign:?}");
}

/// A file in `tests/` that is in no module of `tests/main.rs` would never run.
#[test]
fn every_test_file_is_part_of_the_one_test_binary() {
    let text = read(&root().join("tests/main.rs"));
    let main = tokens::tokens(&text).join(" ");
    let tests = root().join("tests");
    let forgotten = sources("tests").into_iter().filter_map(|file| {
        let first =
            file.strip_prefix(&tests).ok()?.iter().next()?.to_str()?.trim_end_matches(".rs").to_owned();
        (first != "main" && !main.contains(&format!("mod {first} ;"))).then_some(first)
    });
    assert_eq!(forgotten.collect::<BTreeSet<_>>(), BTreeSet::new());
}
