//! Files to S3: in one piece, or in parts when they are large.

use std::path::Path;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::s3_error::Request;
use crate::{Error, Version};

/// Bytes of a part, and of a file that still goes in one piece. S3 asks for 5 MiB at least; 16 MiB is also what a
/// lost connection costs to send again.
const PART_BYTES: u64 = 16 * 1024 * 1024;

/// Parts of an upload. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const MAX_PARTS: u64 = 10_000;

/// Parts sent at once: enough to fill a connection of a few Gbit/s.
const PARTS_IN_FLIGHT: usize = 4;

/// Uploads a file, replacing the object. The object appears whole or not at all; parts of an upload that failed are
/// taken back.
pub(crate) async fn upload(
    client: &Client,
    bucket: &str,
    key: &str,
    path: &Path,
    request: &Request,
) -> Result<Version, Error> {
    let size = tokio::fs::metadata(path).await.map_err(|source| local_error(path, source))?.len();
    if size <= PART_BYTES {
        let body = ByteStream::from_path(path).await.map_err(|error| byte_stream_error(path, error))?;
        let put = client.put_object().bucket(bucket).key(key).body(body).send().await;
        return request.version(put.map_err(|error| request.failed(&error))?.e_tag);
    }
    let created = client.create_multipart_upload().bucket(bucket).key(key).send().await;
    let upload_id = created.map_err(|error| request.failed(&error))?.upload_id.unwrap_or_default();
    let upload = Upload { client, bucket, key, path, request, id: &upload_id };
    match upload.send(size).await {
        Ok(version) => Ok(version),
        Err(error) => {
            // Should this fail too, a lifecycle rule of the bucket cleans up; the first error is what matters.
            let abort = client.abort_multipart_upload().bucket(bucket).key(key).upload_id(&upload_id);
            let _ = abort.send().await;
            Err(error)
        }
    }
}

struct Upload<'a> {
    client: &'a Client,
    bucket: &'a str,
    key: &'a str,
    path: &'a Path,
    request: &'a Request,
    id: &'a str,
}

impl Upload<'_> {
    async fn send(&self, size: u64) -> Result<Version, Error> {
        let part_bytes = PART_BYTES.max(size.div_ceil(MAX_PARTS));
        let parts: Vec<CompletedPart> = futures::stream::iter(0..size.div_ceil(part_bytes))
            .map(|index| {
                let offset = index * part_bytes;
                // Below MAX_PARTS.
                self.send_part(index as i32 + 1, offset, part_bytes.min(size - offset))
            })
            .buffered(PARTS_IN_FLIGHT)
            .try_collect()
            .await?;
        let done = self
            .client
            .complete_multipart_upload()
            .bucket(self.bucket)
            .key(self.key)
            .upload_id(self.id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .send()
            .await
            .map_err(|error| self.request.failed(&error))?;
        self.request.version(done.e_tag)
    }

    async fn send_part(&self, number: i32, offset: u64, length: u64) -> Result<CompletedPart, Error> {
        let body = ByteStream::read_from()
            .path(self.path)
            .offset(offset)
            .length(Length::Exact(length))
            .build()
            .await
            .map_err(|error| byte_stream_error(self.path, error))?;
        let sent = self
            .client
            .upload_part()
            .bucket(self.bucket)
            .key(self.key)
            .upload_id(self.id)
            .part_number(number)
            .body(body)
            .send()
            .await
            .map_err(|error| self.request.failed(&error))?;
        // S3 wants back the checksums that the SDK sent along.
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag)
            .set_checksum_crc32(sent.checksum_crc32)
            .set_checksum_crc32_c(sent.checksum_crc32_c)
            .set_checksum_crc64_nvme(sent.checksum_crc64_nvme)
            .set_checksum_sha1(sent.checksum_sha1)
            .set_checksum_sha256(sent.checksum_sha256)
            .build())
    }
}

fn local_error(path: &Path, source: std::io::Error) -> Error {
    Error::LocalFile { path: path.display().to_string(), source }
}

fn byte_stream_error(path: &Path, error: aws_sdk_s3::primitives::ByteStreamError) -> Error {
    local_error(path, error.into())
}
