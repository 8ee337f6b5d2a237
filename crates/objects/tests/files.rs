//! What only a folder can do wrong.
#![allow(clippy::unwrap_used)]

use objects::{Error, Location, Objects};

#[tokio::test]
async fn a_folder_that_is_not_there_is_empty_and_can_be_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let objects = Objects::in_folder(folder.path().join("missing"));
    assert_eq!(objects.list("").await.unwrap(), []);
    assert!(matches!(objects.check_exists().await, Err(Error::NoLocation { .. })));
    objects.put("a/b", "x").await.unwrap();
    objects.check_exists().await.unwrap();
}

#[tokio::test]
async fn a_file_where_a_folder_is_needed_is_said() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "x").unwrap();
    let at_file = Objects::in_folder(folder.path().join("file"));
    for error in [
        at_file.check_exists().await.unwrap_err(),
        at_file.list("").await.unwrap_err(),
        at_file.put("a", "x").await.unwrap_err(),
        Objects::in_folder(folder.path()).put("file/below", "x").await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn links_to_files_are_objects_and_links_to_folders_are_not_entered() {
    let folder = tempfile::tempdir().unwrap();
    let objects = Objects::in_folder(folder.path().join("root"));
    objects.put("real", "x").await.unwrap();
    std::os::unix::fs::symlink("real", folder.path().join("root/link")).unwrap();
    std::os::unix::fs::symlink(".", folder.path().join("root/circle")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("root/dangling")).unwrap();
    let keys: Vec<String> = objects.list("").await.unwrap().into_iter().map(|meta| meta.key).collect();
    assert_eq!(keys, ["link", "real"]);
}

#[test]
fn s3_without_a_client_says_what_to_do() {
    let location = Location::parse("s3://calls/raw").unwrap();
    let error = Objects::open(&location, None).unwrap_err();
    assert!(error.to_string().contains("s3://calls/raw"), "{error}");
}
