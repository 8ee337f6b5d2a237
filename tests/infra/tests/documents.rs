//! The runbook has a section for each alarm, and `docs/aws.md` a line for each parameter; neither has more.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use infra_tests::{Template, described_alarms, described_parameters};

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

fn template() -> Template {
    Template::parse(&text("infra/template.yaml")).unwrap()
}

/// Alarms without a section, and sections without an alarm.
fn undescribed(template: &Template, runbook: &str) -> (Vec<String>, Vec<String>) {
    let alarms: BTreeSet<String> = template.alarms().into_iter().map(|(_, name)| name).collect();
    let sections: BTreeSet<String> = described_alarms(runbook).into_iter().map(str::to_owned).collect();
    (alarms.difference(&sections).cloned().collect(), sections.difference(&alarms).cloned().collect())
}

#[test]
fn each_alarm_has_its_section_and_each_section_its_alarm() {
    let (template, runbook) = (template(), text("docs/runbook.md"));
    assert_eq!(undescribed(&template, &runbook), (vec![], vec![]));
    assert!(template.alarms().iter().all(|(_, name)| !name.is_empty()), "{:?}", template.alarms());

    let renamed = runbook.replace("`batch-stopped`", "`batch-halted`");
    let both = (vec!["batch-stopped".to_owned()], vec!["batch-halted".to_owned()]);
    assert_eq!(undescribed(&template, &renamed), both);
}

#[test]
fn each_section_says_what_to_look_at_and_what_to_do() {
    for section in text("docs/runbook.md").split("\n### ").skip(1) {
        let (heading, body) = section.split_once('\n').unwrap();
        for part in ["Means:", "Look:", "Do:"] {
            assert!(body.contains(part), "{heading} has no {part}");
        }
    }
}

#[test]
fn the_table_of_parameters_is_that_of_the_template() {
    let (template, page) = (template(), text("docs/aws.md"));
    let described = |page: &str| -> BTreeSet<(String, String)> {
        described_parameters(page).into_iter().map(|(name, default)| (name.to_owned(), default.to_owned())).collect()
    };
    let parameters: BTreeSet<_> =
        template.parameters().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(described(&page), parameters);
    assert_ne!(described(&page.replace("| `BatchSize` | `1000` |", "| `BatchSize` | `100` |")), parameters);
}

#[test]
fn the_root_configuration_names_the_template() {
    let configuration = text("samconfig.toml");
    assert!(configuration.contains("template_file = \"infra/template.yaml\"\n"));
    assert!(configuration.contains("build_in_source = true\n"));
    // Else it would deploy the sources, not what was built.
    let deploy = configuration.split("[default.deploy.parameters]").nth(1).unwrap();
    assert!(!deploy.split("\n[").next().unwrap().contains("template_file"));
}
