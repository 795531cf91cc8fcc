//! The crates of this package, each as its files with their modules.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// One crate.
pub(super) struct Source {
    pub(super) files: Vec<File>,
    /// The names by which its code can call another crate.
    pub(super) dependencies: BTreeSet<String>,
}

pub(super) struct File {
    /// The path from the package's root.
    pub(super) name: String,
    /// The path of its module from the crate's root, which is empty for the root itself.
    pub(super) module: Vec<String>,
    pub(super) code: String,
}

/// A module of every benchmark.
const SHARED: &str = "benches/common";

impl Source {
    pub(super) fn library() -> Self {
        Self::new("src", |name| !name.starts_with("src/bin/"))
    }

    /// The library, the application, the tests, and each benchmark and example.
    pub(super) fn all() -> Vec<Self> {
        let mut all = vec![Self::library(), Self::new("src/bin/graceful-exit", |_| true)];
        all.push(Self::new("tests", |_| true));
        for folder in ["benches", "examples"] {
            for entry in fs::read_dir(root().join(folder)).into_iter().flatten().flatten() {
                if entry.path().is_dir() && entry.path() != root().join(SHARED) {
                    let mut source =
                        Self::new(&format!("{folder}/{}", entry.file_name().display()), |_| true);
                    if folder == "benches" {
                        source.files.extend(Self::shared());
                    }
                    all.push(source);
                }
            }
        }
        all
    }

    /// What the benchmarks have in common, as the module of each.
    fn shared() -> Vec<File> {
        let mut files = Self::new(SHARED, |_| true).files;
        for file in &mut files {
            file.module.insert(0, "common".to_owned());
        }
        files
    }

    fn new(folder: &str, is_part: impl Fn(&str) -> bool) -> Self {
        let file = |path: PathBuf| {
            let name = path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            let inside = name.trim_start_matches(folder).trim_end_matches(".rs");
            let module = inside.split('/').filter(|name| !["", "mod", "lib", "main"].contains(name));
            File { module: module.map(str::to_owned).collect(), code: read(&path), name }
        };
        let files: Vec<_> =
            sources(folder).into_iter().map(file).filter(|file| is_part(&file.name)).collect();
        assert!(files.iter().any(|file| file.module.is_empty()), "{folder} has no root");
        Self { files, dependencies: dependencies() }
    }

    pub(super) fn has_module(&self, module: &[String]) -> bool {
        self.files.iter().any(|file| file.module == module)
    }

    /// The file that a path leads to: that of the longest module that the path begins with.
    pub(super) fn file_of(&self, path: &[String]) -> Option<&File> {
        self.files.iter().filter(|file| path.starts_with(&file.module)).max_by_key(|file| file.module.len())
    }
}

pub(super) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(super) fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Every Rust file under a folder of the package.
pub(super) fn sources(folder: &str) -> Vec<PathBuf> {
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
