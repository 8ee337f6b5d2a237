//! S3 by s3s over a folder.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::error_handling::HandleError;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio::sync::RwLock;

use crate::endpoint::Endpoint;
use crate::only_user::OnlyUser;
use crate::{ACCESS_KEY, Error, SECRET_KEY, Service};

/// Locks that the objects share by the hash of their path. More would only matter with more writers than this.
const LOCKS: usize = 64;

/// The answer of S3 for an object that is not there.
const NO_SUCH_KEY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>NoSuchKey</Code>\
    <Message>The specified key does not exist.</Message></Error>";

/// An opened folder of buckets, and the lock on it.
pub(crate) struct Buckets {
    root: PathBuf,
    files: s3s_fs::FileSystem,
    only_user: OnlyUser,
}

impl Buckets {
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        let folder_error = |source| Error::Folder { service: Service::S3, folder: root.to_owned(), source };
        std::fs::create_dir_all(root).map_err(folder_error)?;
        let root: PathBuf = root.canonicalize().map_err(folder_error)?;
        let only_user = OnlyUser::of(Service::S3, &root, &root.join(".local-aws.lock"))?;
        let files = s3s_fs::FileSystem::new(&root)
            .map_err(|error| Error::Storage { service: Service::S3, detail: format!("{error:?}") })?;
        Ok(Self { root, files, only_user })
    }

    /// Serves the buckets. The lock is given back when the server has ended.
    pub(crate) fn serve(self, listener: TcpListener) -> std::io::Result<Endpoint> {
        let mut service = S3ServiceBuilder::new(self.files);
        // s3s refuses signed requests unless it knows a key to check them with.
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let s3 = HandleError::new(service.build(), |error: s3s::HttpError| async move {
            tracing::error!(service = %Service::S3, ?error, "a request failed");
            StatusCode::INTERNAL_SERVER_ERROR
        });
        let held =
            Held { root: self.root, locks: std::array::from_fn(|_| RwLock::new(())), _only_user: self.only_user };
        let app = Router::new()
            .fallback_service(s3)
            .layer(middleware::from_fn_with_state(Arc::new(held), one_writer_per_object));
        Endpoint::spawn_router(listener, Service::S3, app)
    }
}

/// What the server holds while it runs.
struct Held {
    root: PathBuf,
    locks: [RwLock<()>; LOCKS],
    _only_user: OnlyUser,
}

/// Keeps writers of one object apart from each other and from its readers.
///
/// `s3s-fs` 0.14 checks `If-Match` and then writes, so of two conditional puts at once both could win; and it
/// replaces the file before the note with its `ETag`, so a reader between the two would see new bytes under the old
/// `ETag`. On AWS neither happens. A response streams from a file opened under the lock, so the lock is not needed
/// while it does.
async fn one_writer_per_object(State(held): State<Arc<Held>>, request: Request, next: Next) -> Response {
    let lock = &held.locks[lock_index(request.uri().path())];
    if matches!(*request.method(), Method::GET | Method::HEAD) || is_part_upload(&request) {
        let _shared = lock.read().await;
        if object_path(&held.root, request.uri().path()).is_some_and(|path| path.is_dir()) {
            // s3s-fs would answer 500 to a GET and give the size of the folder to a HEAD.
            return (StatusCode::NOT_FOUND, NO_SUCH_KEY).into_response();
        }
        next.run(request).await
    } else {
        let _exclusive = lock.write().await;
        if request.method() == Method::DELETE
            && request.uri().query().is_none_or(|query| !query.contains("uploadId="))
            && object_path(&held.root, request.uri().path()).is_some_and(|path| path.is_dir())
        {
            // s3s-fs would answer 500.
            return StatusCode::NO_CONTENT.into_response();
        }
        next.run(request).await
    }
}

/// Where `s3s-fs` keeps the object that a request is about; a key that is the beginning of others is a folder.
/// `None` for requests about a bucket.
fn object_path(root: &Path, request_path: &str) -> Option<PathBuf> {
    let path = percent_decode_str(request_path).decode_utf8().ok()?;
    let path = path.trim_start_matches('/');
    let (_, key) = path.split_once('/')?;
    let stays_inside = !path.split('/').any(|part| part == "..");
    (!key.is_empty() && stays_inside).then(|| root.join(path))
}

/// Parts of an upload touch only files of their own, and large objects are uploaded in parallel.
fn is_part_upload(request: &Request) -> bool {
    request.method() == Method::PUT && request.uri().query().is_some_and(|query| query.contains("partNumber="))
}

fn lock_index(path: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    // The remainder is below LOCKS.
    (hasher.finish() % LOCKS as u64) as usize
}
