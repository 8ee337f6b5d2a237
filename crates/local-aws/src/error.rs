//! Why an endpoint could not be started or used.

use std::fmt;
use std::path::PathBuf;

/// One of the three services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Amazon DynamoDB.
    DynamoDb,
    /// Amazon Kinesis Data Streams.
    Kinesis,
    /// Amazon S3.
    S3,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DynamoDb => "DynamoDB",
            Self::Kinesis => "Kinesis",
            Self::S3 => "S3",
        })
    }
}

/// Why a local endpoint could not be started or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process listens on the port.
    #[error(
        "port {port} for the local {service} is in use: stop what listens there, or choose another port (0 takes a free one)"
    )]
    PortInUse {
        /// The service that wanted the port.
        service: Service,
        /// The port.
        port: u16,
    },
    /// The port could not be listened on for another reason, such as a port below 1024 without the right to it.
    #[error("cannot listen on 127.0.0.1:{port} for the local {service}: {source}")]
    Listen {
        /// The service that wanted the port.
        service: Service,
        /// The port.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder does not exist, is not a folder, or may not be written.
    #[error("the local {service} cannot write to the folder {}: {source}; create it or choose one you may write to", folder.display())]
    Folder {
        /// The service that needs it.
        service: Service,
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process uses the same state.
    #[error("{} is in use by another process as the state of a local {service}: stop that process, or choose another place", path.display())]
    StateInUse {
        /// The service that wanted it.
        service: Service,
        /// The file or folder.
        path: PathBuf,
    },
    /// The database file could not be opened as one.
    #[error("{} is not a database of the local DynamoDB ({detail}); choose another file, or delete this one to start empty", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// What the engine said.
        detail: String,
    },
    /// The storage of a service could not be prepared.
    #[error("the local {service} could not be started: {detail}")]
    Storage {
        /// The service.
        service: Service,
        /// What it said.
        detail: String,
    },
    /// The service was not asked for in the configuration.
    #[error("the local {service} was not started; ask for it in the configuration")]
    NotStarted {
        /// The service.
        service: Service,
    },
    /// A stream could not be created.
    #[error("the local stream {stream} could not be created: {detail}")]
    Stream {
        /// The name of the stream.
        stream: String,
        /// What went wrong.
        detail: String,
    },
}
