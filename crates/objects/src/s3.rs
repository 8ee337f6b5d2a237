//! Objects in an S3 bucket.

use std::io;
use std::ops::Range;
use std::path::Path;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::io::AsyncWriteExt as _;

use crate::s3_error::{Request, is_unsatisfiable_range};
use crate::temporary::Temporary;
use crate::{Error, Expected, Location, ObjectMeta, Version, s3_upload};

/// Requests for single versions in flight, where a listing comes without them.
const HEADS_IN_FLIGHT: usize = 16;

/// Objects below a prefix of an S3 bucket.
#[derive(Clone, Debug)]
pub struct S3 {
    client: Client,
    bucket: String,
    prefix: String,
}

impl S3 {
    pub(crate) fn new(client: Client, bucket: String, prefix: String) -> Self {
        Self { client, bucket, prefix }
    }

    pub(crate) fn location(&self) -> Location {
        Location::S3 { bucket: self.bucket.clone(), prefix: self.prefix.clone() }
    }

    pub(crate) async fn check_exists(&self) -> Result<(), Error> {
        match self.client.head_bucket().bucket(&self.bucket).send().await {
            Ok(_) => Ok(()),
            Err(error) => match self.request("look for", "").failed(&error) {
                Error::NotFound { location, .. } => Err(Error::NoLocation { location }),
                other => Err(other),
            },
        }
    }

    pub(crate) async fn get_versioned(&self, key: &str) -> Result<(Bytes, Version), Error> {
        let request = self.request("read", key);
        let got = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .send()
            .await
            .map_err(|error| request.failed(&error))?;
        let version = request.version(got.e_tag)?;
        let bytes = got.body.collect().await.map_err(|error| request.broke_off(&error))?;
        Ok((bytes.into_bytes(), version))
    }

    pub(crate) async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, Error> {
        let request = self.request("read", key);
        let got = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .range(format!("bytes={}-{}", range.start, range.end - 1))
            .send()
            .await
            .map_err(|error| {
                if is_unsatisfiable_range(&error) {
                    Error::OutOfRange {
                        key: key.to_owned(),
                        location: self.location().to_string(),
                        start: range.start,
                        end: range.end,
                    }
                } else {
                    request.failed(&error)
                }
            })?;
        let bytes = got.body.collect().await.map_err(|error| request.broke_off(&error))?;
        Ok(bytes.into_bytes())
    }

    pub(crate) async fn head(&self, key: &str) -> Result<ObjectMeta, Error> {
        let request = self.request("read", key);
        let head = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .send()
            .await
            .map_err(|error| request.failed(&error))?;
        Ok(ObjectMeta {
            key: key.to_owned(),
            size: size(head.content_length),
            version: request.version(head.e_tag)?,
            modified_secs: head.last_modified.map(|at| at.secs()),
        })
    }

    pub(crate) async fn put(&self, key: &str, bytes: Bytes, expected: Option<Expected>) -> Result<Version, Error> {
        let request = self.request("write", key);
        let put = self.client.put_object().bucket(&self.bucket).key(self.full_key(key)).body(ByteStream::from(bytes));
        let expects_version = matches!(expected, Some(Expected::Version(_)));
        let put = match expected {
            None => put,
            Some(Expected::Absent) => put.if_none_match("*"),
            Some(Expected::Version(version)) => put.if_match(version.as_str()),
        };
        match put.send().await {
            Ok(done) => request.version(done.e_tag),
            Err(error) => Err(match request.failed(&error) {
                // If-Match on an object that is gone answers 404.
                Error::NotFound { key, location } if expects_version => Error::Conflict { key, location },
                other => other,
            }),
        }
    }

    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, Error> {
        let request = self.request("list", prefix);
        let skipped = if self.prefix.is_empty() { 0 } else { self.prefix.len() + 1 };
        let mut pages =
            self.client.list_objects_v2().bucket(&self.bucket).prefix(self.full_key(prefix)).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| match request.failed(&error) {
                Error::NotFound { location, .. } => Error::NoLocation { location },
                other => other,
            })?;
            for object in page.contents.unwrap_or_default() {
                // Keys that end in a slash are how consoles draw folders.
                if let Some(key) = object.key.filter(|key| !key.ends_with('/')) {
                    let modified_secs = object.last_modified.map(|at| at.secs());
                    let version = object.e_tag.map(Version::new);
                    found.push((key[skipped..].to_owned(), size(object.size), version, modified_secs));
                }
            }
        }
        // AWS lists in this order, but directory buckets and other makes of S3 do not.
        found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        futures::stream::iter(found)
            .map(|(key, size, version, modified_secs)| async move {
                match version {
                    Some(version) => Ok(Some(ObjectMeta { key, size, version, modified_secs })),
                    None => match self.head(&key).await {
                        Ok(meta) => Ok(Some(meta)),
                        // Deleted since it was listed.
                        Err(error) if error.is_not_found() => Ok(None),
                        Err(error) => Err(error),
                    },
                }
            })
            .buffered(HEADS_IN_FLIGHT)
            .try_filter_map(|meta| async move { Ok(meta) })
            .try_collect()
            .await
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<(), Error> {
        let deleted = self.client.delete_object().bucket(&self.bucket).key(self.full_key(key)).send().await;
        match deleted.map_err(|error| self.request("delete", key).failed(&error)) {
            // AWS answers 204 for an object that is not there; other makes answer 404.
            Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn download_to(&self, key: &str, path: &Path) -> Result<(u64, Version), Error> {
        let request = self.request("read", key);
        let mut got = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .send()
            .await
            .map_err(|error| request.failed(&error))?;
        let version = request.version(got.e_tag.take())?;
        let local_error = |source: io::Error| Error::LocalFile { path: path.display().to_string(), source };
        let temporary = Temporary::beside(path).map_err(local_error)?;
        let file = temporary.file.try_clone().map_err(local_error)?;
        let mut writer = tokio::io::BufWriter::new(tokio::fs::File::from_std(file));
        let mut copied = 0;
        while let Some(chunk) = got.body.next().await {
            let chunk = chunk.map_err(|error| request.broke_off(&error))?;
            copied += chunk.len() as u64;
            writer.write_all(&chunk).await.map_err(local_error)?;
        }
        writer.flush().await.map_err(local_error)?;
        temporary.rename_to(path).map_err(local_error)?;
        Ok((copied, version))
    }

    pub(crate) async fn upload_from(&self, path: &Path, key: &str) -> Result<Version, Error> {
        s3_upload::upload(&self.client, &self.bucket, &self.full_key(key), path, &self.request("write", key)).await
    }

    fn full_key(&self, key: &str) -> String {
        if self.prefix.is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) }
    }

    fn request(&self, action: &'static str, key: &str) -> Request {
        Request { action, key: key.to_owned(), location: self.location().to_string() }
    }
}

/// S3 gives sizes as signed numbers, and leaves out that of an empty object in some answers.
fn size(length: Option<i64>) -> u64 {
    length.and_then(|length| u64::try_from(length).ok()).unwrap_or(0)
}
