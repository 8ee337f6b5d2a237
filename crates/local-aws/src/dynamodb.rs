//! DynamoDB by dynoxide: SQLite in memory or in a file.

use std::path::{Path, PathBuf};

use dynoxide::Database;
use tokio::net::TcpListener;

use crate::endpoint::Endpoint;
use crate::only_user::OnlyUser;
use crate::{DynamoStorage, Error, Service};

/// The first bytes of every SQLite database file; see <https://www.sqlite.org/fileformat.html>, 1.3.
const SQLITE_MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// An opened database, and the lock on its file.
pub(crate) struct Tables {
    database: Database,
    only_user: Option<OnlyUser>,
}

impl Tables {
    pub(crate) fn open(storage: &DynamoStorage) -> Result<Self, Error> {
        match storage {
            DynamoStorage::Memory => {
                let database = Database::memory()
                    .map_err(|error| Error::Storage { service: Service::DynamoDb, detail: error.to_string() })?;
                Ok(Self { database, only_user: None })
            }
            DynamoStorage::File(path) => Self::open_file(path),
        }
    }

    /// Serves the tables. The lock is given back when the server has ended.
    pub(crate) fn serve(self, listener: TcpListener) -> std::io::Result<Endpoint> {
        let Self { database, only_user } = self;
        Endpoint::spawn(listener, move |listener, stopped| async move {
            let served = dynoxide::server::serve_with_shutdown(listener, database, async move {
                let _ = stopped.await;
            })
            .await;
            if let Err(error) = served {
                tracing::error!(service = %Service::DynamoDb, error, "a local endpoint ended");
            }
            drop(only_user);
        })
    }

    fn open_file(path: &Path) -> Result<Self, Error> {
        let only_user = OnlyUser::of(Service::DynamoDb, path, &lock_path(path))?;
        check_is_database(path)?;
        let text = path.to_str().ok_or_else(|| Error::NotADatabase {
            path: path.to_owned(),
            detail: "its path is not UTF-8".to_owned(),
        })?;
        let database = Database::new(text)
            .map_err(|error| Error::NotADatabase { path: path.to_owned(), detail: error.to_string() })?;
        Ok(Self { database, only_user: Some(only_user) })
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    path.with_file_name(name)
}

/// Refuses a file that SQLite did not write. SQLite itself opens any file and fails at the first query.
fn check_is_database(path: &Path) -> Result<(), Error> {
    use std::io::Read as _;
    let refuse = |detail: String| Error::NotADatabase { path: path.to_owned(), detail };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refuse(error.to_string())),
    };
    let mut head = Vec::with_capacity(SQLITE_MAGIC.len());
    file.take(SQLITE_MAGIC.len() as u64).read_to_end(&mut head).map_err(|error| refuse(error.to_string()))?;
    // A file of no bytes is a new database.
    if head.is_empty() || head == SQLITE_MAGIC { Ok(()) } else { Err(refuse("it is not a SQLite file".to_owned())) }
}
