//! Conditional puts on files hold between processes.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use objects::{Expected, Objects};

const PROCESSES: u32 = 3;
const ADDITIONS: u32 = 40;
/// Set for the processes that this test starts: the folder to work in.
const FOLDER: &str = "OBJECTS_TEST_FOLDER";

/// Processes each add one to a number, by compare and set: none is lost.
#[tokio::test]
async fn writers_in_other_processes_lose_nothing() {
    if let Ok(folder) = std::env::var(FOLDER) {
        add(&Objects::in_folder(folder)).await;
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let objects = Objects::in_folder(folder.path());
    objects.put("number", "0").await.unwrap();
    let children: Vec<_> = (0..PROCESSES)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["writers_in_other_processes_lose_nothing", "--exact"])
                .env(FOLDER, folder.path())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(objects.get("number").await.unwrap(), (PROCESSES * ADDITIONS).to_string());
}

async fn add(objects: &Objects) {
    let mut done = 0;
    while done < ADDITIONS {
        let (bytes, version) = objects.get_versioned("number").await.unwrap();
        let number: u32 = std::str::from_utf8(&bytes).unwrap().parse().unwrap();
        match objects.put_if("number", (number + 1).to_string(), Expected::Version(version)).await {
            Ok(_) => done += 1,
            Err(error) => assert!(error.is_conflict(), "{error}"),
        }
    }
}
