//! One suite for every kind of location: what holds for a folder holds for a bucket.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use futures::StreamExt as _;
use local_aws::{LocalAws, LocalAwsConfig};
use objects::{Error, Expected, Location, Objects, Version};

const BUCKET: &str = "tollwatch-test";

/// Runs a check against a folder, a bucket, and a prefix in a bucket.
macro_rules! contract {
    ($($name:ident),+ $(,)?) => {
        mod folder {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let folder = tempfile::tempdir().unwrap();
                    super::$name(&super::Objects::in_folder(folder.path().join("root")), folder.path()).await;
                }
            )+
        }
        mod bucket {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::in_bucket("", super::$name).await;
                }
            )+
        }
        mod bucket_prefix {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::in_bucket("/some/prefix", super::$name).await;
                }
            )+
        }
    };
}

contract!(
    what_is_put_is_got,
    what_is_not_there_is_not_found,
    ranges_are_cut_at_the_end,
    absent_is_put_once,
    a_version_is_replaced_once,
    of_many_writers_one_wins,
    lists_are_sorted_and_begin_with_the_prefix,
    long_lists_are_whole,
    listed_versions_change_with_the_object,
    the_same_bytes_are_the_same_content,
    files_are_copied_both_ways,
    large_files_are_copied_whole,
    keys_that_leave_the_location_are_refused,
);

async fn in_bucket(prefix: &str, check: impl AsyncFnOnce(&Objects, &Path)) {
    let folder = tempfile::tempdir().unwrap();
    let local = LocalAws::start(LocalAwsConfig::default().with_s3(folder.path().join("s3"))).await.unwrap();
    let client = local.s3().unwrap();
    client.create_bucket().bucket(BUCKET).send().await.unwrap();
    let location = Location::parse(&format!("s3://{BUCKET}{prefix}")).unwrap();
    check(&Objects::open(&location, Some(client)).unwrap(), folder.path()).await;
    local.shutdown().await;
}

async fn what_is_put_is_got(objects: &Objects, _: &Path) {
    let key = "daily/date=2026-11-20/part 0.parquet";
    let first = objects.put(key, "first").await.unwrap();
    assert_eq!(objects.get(key).await.unwrap(), "first");
    let second = objects.put(key, "the second").await.unwrap();
    assert_ne!(first, second);
    assert_eq!(objects.get_versioned(key).await.unwrap(), ("the second".into(), second));
    assert_eq!(objects.size(key).await.unwrap(), 10);
    objects.put("empty", "").await.unwrap();
    assert_eq!(objects.get("empty").await.unwrap(), "");
    assert_eq!(objects.size("empty").await.unwrap(), 0);
    assert_eq!(objects.local_path(key).is_some(), !objects.location().is_s3());
    objects.check_exists().await.unwrap();
}

async fn what_is_not_there_is_not_found(objects: &Objects, scratch: &Path) {
    objects.put("a/b", "x").await.unwrap();
    for key in ["c", "a", "a/b/c", "a/bb"] {
        for error in [
            objects.get(key).await.unwrap_err(),
            objects.get_versioned(key).await.unwrap_err(),
            objects.get_range(key, 0..1).await.unwrap_err(),
            objects.head(key).await.unwrap_err(),
            objects.download_to(key, &scratch.join("copy")).await.unwrap_err(),
        ] {
            assert!(matches!(&error, Error::NotFound { key: named, .. } if named == key), "{key}: {error}");
            assert!(error.to_string().contains(&objects.location().to_string()), "{error}");
        }
        objects.delete(key).await.unwrap();
    }
    assert!(!scratch.join("copy").exists());
    assert_eq!(objects.get("a/b").await.unwrap(), "x");
    objects.delete("a/b").await.unwrap();
    assert!(objects.get("a/b").await.unwrap_err().is_not_found());
}

async fn ranges_are_cut_at_the_end(objects: &Objects, _: &Path) {
    objects.put("k", "0123456789").await.unwrap();
    for (range, expected) in [(0..4, "0123"), (3..10, "3456789"), (8..100, "89"), (9..10, "9"), (5..5, "")] {
        assert_eq!(objects.get_range("k", range).await.unwrap(), expected);
    }
    for range in [10..11, 50..60] {
        let error = objects.get_range("k", range.clone()).await.unwrap_err();
        assert!(matches!(error, Error::OutOfRange { start, .. } if start == range.start), "{error}");
    }
}

async fn absent_is_put_once(objects: &Objects, _: &Path) {
    let version = objects.put_if("manifest", "1", Expected::Absent).await.unwrap();
    let error = objects.put_if("manifest", "2", Expected::Absent).await.unwrap_err();
    assert!(error.is_conflict(), "{error}");
    assert_eq!(objects.get_versioned("manifest").await.unwrap(), ("1".into(), version));
}

async fn a_version_is_replaced_once(objects: &Objects, _: &Path) {
    let first = objects.put("manifest", "1").await.unwrap();
    let second = objects.put_if("manifest", "2", Expected::Version(first.clone())).await.unwrap();
    for stale in [first, Version::new("no-such-version")] {
        let error = objects.put_if("manifest", "3", Expected::Version(stale)).await.unwrap_err();
        assert!(error.is_conflict(), "{error}");
    }
    // A version that went through its text still works, and so does one from a listing.
    let second = Version::new(second.as_str());
    objects.put_if("manifest", "3", Expected::Version(second)).await.unwrap();
    let listed = objects.list("manifest").await.unwrap().remove(0).version;
    objects.put_if("manifest", "4", Expected::Version(listed.clone())).await.unwrap();
    assert!(objects.put_if("manifest", "5", Expected::Version(listed)).await.unwrap_err().is_conflict());
    assert_eq!(objects.get("manifest").await.unwrap(), "4");
    // One that is gone is no longer that version.
    let (_, version) = objects.get_versioned("manifest").await.unwrap();
    objects.delete("manifest").await.unwrap();
    assert!(objects.put_if("manifest", "6", Expected::Version(version)).await.unwrap_err().is_conflict());
}

/// Writers each add one to a number, by compare and set, until each has done it some times: none is lost.
async fn of_many_writers_one_wins(objects: &Objects, _: &Path) {
    const WRITERS: u32 = 6;
    const ADDITIONS: u32 = 8;
    objects.put("number", "0").await.unwrap();
    let writers = (0..WRITERS).map(|_| {
        let objects = objects.clone();
        tokio::spawn(async move {
            let mut done = 0;
            while done < ADDITIONS {
                let (bytes, version) = objects.get_versioned("number").await.unwrap();
                let number: u32 = std::str::from_utf8(&bytes).unwrap().parse().unwrap();
                let next = (number + 1).to_string();
                match objects.put_if("number", next, Expected::Version(version)).await {
                    Ok(_) => done += 1,
                    Err(error) => assert!(error.is_conflict(), "{error}"),
                }
            }
        })
    });
    for writer in futures::future::join_all(writers).await {
        writer.unwrap();
    }
    assert_eq!(objects.get("number").await.unwrap(), (WRITERS * ADDITIONS).to_string());
}

async fn lists_are_sorted_and_begin_with_the_prefix(objects: &Objects, _: &Path) {
    assert_eq!(objects.list("").await.unwrap(), []);
    // `-` and `.` sort before `/`, so that folders visited in order of name would come out wrong.
    let keys = ["a/b", "a-b/c", "a.b", "a/b/c", "a/c/d/e", "b", "a/bc", "é/ü"];
    for key in keys {
        if key != "a/b" {
            objects.put(key, key.to_owned()).await.unwrap();
        }
    }
    let list = async |prefix: &str| -> Vec<String> {
        objects.list(prefix).await.unwrap().into_iter().map(|meta| meta.key).collect()
    };
    assert_eq!(list("").await, ["a-b/c", "a.b", "a/b/c", "a/bc", "a/c/d/e", "b", "é/ü"]);
    assert_eq!(list("a/").await, ["a/b/c", "a/bc", "a/c/d/e"]);
    assert_eq!(list("a/b").await, ["a/b/c", "a/bc"]);
    assert_eq!(list("a/c/d/e").await, ["a/c/d/e"]);
    assert_eq!(list("a/c/d/e/").await, [""; 0]);
    assert_eq!(list("nothing").await, [""; 0]);
    assert_eq!(objects.list("a/bc").await.unwrap()[0].size, 4);
}

/// More than one page of S3, which is 1,000 keys.
async fn long_lists_are_whole(objects: &Objects, _: &Path) {
    const KEYS: usize = 1_050;
    futures::stream::iter(0..KEYS)
        .for_each_concurrent(16, async |n| {
            objects.put(&format!("raw/{n:05}"), "x").await.unwrap();
        })
        .await;
    let listed: Vec<String> = objects.list("raw/").await.unwrap().into_iter().map(|meta| meta.key).collect();
    let expected: Vec<String> = (0..KEYS).map(|n| format!("raw/{n:05}")).collect();
    assert_eq!(listed, expected);
}

async fn listed_versions_change_with_the_object(objects: &Objects, _: &Path) {
    objects.put("a", "one").await.unwrap();
    objects.put("b", "same").await.unwrap();
    let before = objects.list("").await.unwrap();
    assert_eq!(before[0], objects.head("a").await.unwrap());
    objects.put("a", "three").await.unwrap();
    let after = objects.list("").await.unwrap();
    assert_ne!(before[0].version, after[0].version);
    assert_eq!(before[1], after[1]);
    assert!(before[0].modified_secs.unwrap() <= after[0].modified_secs.unwrap());
}

/// Who copies files anew, or delivers them twice, changes nothing.
async fn the_same_bytes_are_the_same_content(objects: &Objects, _: &Path) {
    let version = objects.put("a", "one").await.unwrap();
    let content = async || objects.content_version(&objects.head("a").await.unwrap()).await.unwrap();
    assert_eq!(content().await, version);
    objects.put("a", "two").await.unwrap();
    assert_ne!(content().await, version);
    objects.put("a", "one").await.unwrap();
    assert_eq!(content().await, version);
}

async fn files_are_copied_both_ways(objects: &Objects, scratch: &Path) {
    let (from, to) = (scratch.join("from"), scratch.join("to"));
    std::fs::write(&from, "call records").unwrap();
    std::fs::write(&to, "something that is replaced").unwrap();
    let version = objects.upload_from(&from, "raw/file").await.unwrap();
    assert_eq!(objects.get_versioned("raw/file").await.unwrap(), ("call records".into(), version.clone()));
    assert_eq!(objects.download_to("raw/file", &to).await.unwrap(), (12, version));
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "call records");

    for error in [
        objects.upload_from(&scratch.join("missing"), "raw/file").await.unwrap_err(),
        objects.download_to("raw/file", &scratch.join("no/folder")).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::LocalFile { .. }), "{error}");
    }
    // Nothing is left of what was being written.
    let left: Vec<_> = std::fs::read_dir(scratch)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".objects-"))
        .collect();
    assert_eq!(left, [""; 0]);
    assert_eq!(objects.list("").await.unwrap().len(), 1);
}

/// Large enough to go to S3 in parts.
async fn large_files_are_copied_whole(objects: &Objects, scratch: &Path) {
    let (from, to) = (scratch.join("from"), scratch.join("to"));
    let bytes: Vec<u8> =
        (0..36_u32 * 1024 * 1024 / 4).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_le_bytes()).collect();
    std::fs::write(&from, &bytes).unwrap();
    let version = objects.upload_from(&from, "large").await.unwrap();
    assert_eq!(objects.size("large").await.unwrap(), bytes.len() as u64);
    assert_eq!(objects.download_to("large", &to).await.unwrap(), (bytes.len() as u64, version.clone()));
    assert!(std::fs::read(&to).unwrap() == bytes, "the copy differs");
    let middle = objects.get_range("large", 17_000_000..17_000_008).await.unwrap();
    assert_eq!(middle, bytes[17_000_000..17_000_008]);
    objects.put_if("large", "small", Expected::Version(version)).await.unwrap();
}

async fn keys_that_leave_the_location_are_refused(objects: &Objects, scratch: &Path) {
    for key in ["../outside", "/etc/passwd", "a/../../outside", ""] {
        let errors = [
            objects.get(key).await.unwrap_err(),
            objects.put(key, "x").await.unwrap_err(),
            objects.put_if(key, "x", Expected::Absent).await.unwrap_err(),
            objects.delete(key).await.unwrap_err(),
            objects.head(key).await.unwrap_err(),
            objects.get_range(key, 0..1).await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, Error::InvalidKey { .. }), "{error}");
        }
        assert_eq!(objects.local_path(key), None);
    }
    assert!(objects.list("../").await.is_err());
    assert!(!scratch.join("outside").exists());
}
