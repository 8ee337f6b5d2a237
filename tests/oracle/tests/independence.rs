//! The oracle stands alone, and covers the default features.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

fn at(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// Names on the left of a `=` or a `.workspace` in the dependency tables of a manifest.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines() {
        let line = line.trim();
        if line.starts_with('[') {
            inside = line.contains("dependencies");
            continue;
        }
        let name: String = line.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_').collect();
        if inside && !name.is_empty() {
            names.push(name);
        }
    }
    names
}

/// Names that the workspace resolves to a folder of this repository.
fn ours() -> Vec<String> {
    let root = fs::read_to_string(at("../../Cargo.toml")).unwrap();
    root.lines()
        .filter(|line| line.replace(' ', "").contains("path="))
        .map(|line| line.split([' ', '=']).next().unwrap().to_owned())
        .collect()
}

fn broken_rules(manifest: &str) -> Vec<String> {
    let mut broken: Vec<String> = dependencies(manifest).into_iter().filter(|name| ours().contains(name)).collect();
    let bare = manifest.replace(' ', "");
    if bare.contains("path=") || bare.contains("git=") || bare.contains("package=") {
        broken.push("path, git or renamed dependency".to_owned());
    }
    broken
}

#[test]
fn it_depends_on_nothing_of_this_repository() {
    let manifest = fs::read_to_string(at("Cargo.toml")).unwrap();
    assert!(dependencies(&manifest).contains(&"rlibphonenumber".to_owned()));
    assert_eq!(broken_rules(&manifest), Vec::<String>::new());
}

#[test]
fn the_rule_notices_what_it_forbids() {
    assert!(ours().contains(&"cdr".to_owned()));
    for forbidden in [
        "[dependencies]\ncdr.workspace = true",
        "[dev-dependencies]\nfeatures = { workspace = true }",
        "[dependencies]\nx = { path = \"../../crates/tiles\" }",
        "[dependencies]\nx = { package = \"cdr\", workspace = true }",
    ] {
        assert!(!broken_rules(forbidden).is_empty(), "{forbidden}");
    }
}

#[test]
fn it_knows_exactly_the_default_features() {
    let definitions = fs::read_to_string(at("../../features.toml")).unwrap();
    let declared: Vec<&str> =
        definitions.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).collect();
    assert!(declared.len() > 20);
    assert_eq!(oracle::names().collect::<Vec<_>>(), declared);
    assert!(declared.iter().all(|name| oracle::knows(name)));
    assert!(!oracle::knows("calls_5m"));
}
