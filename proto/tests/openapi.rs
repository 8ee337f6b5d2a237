//! What the OpenAPI document says. `tests/browser/run` gives it to a validator, and real answers with it.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use proto::OPENAPI;

#[allow(dead_code)]
#[path = "../build/yaml.rs"]
mod yaml;

use yaml::Node;

/// Names below `components:` and a kind, such as `schemas`.
fn components(kind: &str) -> BTreeSet<String> {
    let (_, after) = OPENAPI.split_once("\ncomponents:\n").unwrap_or_default();
    let (_, after) = after.split_once(&format!("  {kind}:\n")).unwrap_or_default();
    let ours = after.lines().filter(|line| !line.is_empty()).take_while(|line| line.starts_with("    "));
    let names = ours.filter(|line| !line.starts_with("     "));
    names.map(|line| line.trim().trim_end_matches(':').to_owned()).collect()
}

/// The operations of every path, in its order.
fn operations() -> Vec<(String, Vec<&'static str>)> {
    let (_, after) = OPENAPI.split_once("\npaths:\n").unwrap_or_default();
    let mut paths: Vec<(String, Vec<&str>)> = Vec::new();
    for line in after.lines().filter(|line| !line.is_empty()).take_while(|line| line.starts_with(' ')) {
        if let Some(path) = line.strip_prefix("  \"/") {
            paths.push((path.trim_end_matches("\":").to_owned(), Vec::new()));
        } else if let (false, Some((_, known))) = (line.starts_with("     "), paths.last_mut()) {
            known.push(line.trim().trim_end_matches(':'));
        }
    }
    paths
}

#[test]
fn every_method_is_a_post_and_one_without_side_effects_a_get_too() {
    let with_number = ["post"].as_slice();
    for (path, expected) in operations() {
        // A number in a URL would end up in access logs.
        let lists = path.ends_with("/ListFeatures");
        assert_eq!(expected, if lists { ["post", "get"].as_slice() } else { with_number }, "{path}");
    }
    let paths: Vec<String> = operations().into_iter().map(|(path, _)| path).collect();
    let services =
        [include_str!("../tollwatch/v1/feature_service.proto"), include_str!("../legacy_feature_service.proto")];
    let methods: Vec<String> = ["tollwatch.v1.FeatureService", "FeatureService"]
        .iter()
        .zip(services)
        .flat_map(|(service, text)| {
            let lines = text.lines().filter_map(|line| line.trim().strip_prefix("rpc "));
            lines.map(move |line| format!("{service}/{}", line.split('(').next().unwrap_or_default()))
        })
        .collect();
    assert!(methods.len() >= 4);
    assert_eq!(paths, methods);
}

#[test]
fn what_is_referred_to_is_there() {
    let mut references = 0;
    for line in OPENAPI.lines() {
        let Some((_, reference)) = line.split_once("$ref: \"#/components/") else { continue };
        let Some((kind, name)) = reference.trim_end_matches('"').split_once('/') else { panic!("{line}") };
        assert!(components(kind).contains(name), "{line}");
        references += 1;
    }
    assert!(references > 20);
    assert!(components("schemas").contains("tollwatch.v1.FeatureError"));
    assert!(!components("schemas").contains("google.protobuf.Timestamp"));
}

#[test]
fn comments_are_descriptions() {
    // Of a service, a method, a message, a field, and a name of an enum.
    for text in [
        "Reads features of numbers, prefixes and ranges, fresh to the second.",
        "The features of up to 1,000 entities at one moment. An entity that is refused does not fail the others.",
        "What became of one entity of a batch.",
        "The first moment counted.",
        "- `MISSING_REASON_EXPIRED`: The window reaches back further than tiles",
    ] {
        assert!(OPENAPI.contains(text), "{text}");
    }
    for line in OPENAPI.lines() {
        assert!(line.trim() != "description: \"\"", "something has no comment");
    }
}

#[test]
fn whatever_a_text_is_it_stays_one() {
    let text = |text: &str| Node::Map(vec![("a".to_owned(), text.into())]).to_yaml().unwrap();
    assert_eq!(text("yes"), "a: \"yes\"\n");
    assert_eq!(text("say \"so\": # no"), "a: \"say \\\"so\\\": # no\"\n");
    assert_eq!(text("one\n\ntwo: #"), "a: |-\n  one\n\n  two: #\n");
    // A block would lose these.
    assert_eq!(text(" one\ntwo"), "a: \" one\\ntwo\"\n");
    assert_eq!(text("one\n"), "a: \"one\\n\"\n");
    assert_eq!(text("one\n\ttwo"), "a: \"one\\n\\ttwo\"\n");
    let name = |name: &str| Node::Map(vec![(name.to_owned(), Node::Bool(true))]).to_yaml().unwrap();
    assert_eq!([name("200"), name("/x"), name("no")], ["\"200\": true\n", "\"/x\": true\n", "\"no\": true\n"]);
    let nested =
        Node::List(vec![Node::List(Vec::new()), Node::Map(vec![("a".to_owned(), Node::List(vec!["b".into()]))])]);
    assert_eq!(nested.to_yaml().unwrap(), "- []\n- a:\n    - \"b\"\n");
}
