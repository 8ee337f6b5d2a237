//! What to start, and where it keeps its state.

use std::path::PathBuf;

/// Where the local DynamoDB keeps its tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DynamoStorage {
    /// In memory: gone when the process ends.
    Memory,
    /// In a SQLite file, made when it does not exist. The folder must exist.
    File(PathBuf),
}

/// TCP ports on 127.0.0.1; 0 lets the system choose a free one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// The port of DynamoDB.
    pub dynamodb: u16,
    /// The port of Kinesis.
    pub kinesis: u16,
    /// The port of S3.
    pub s3: u16,
}

/// What to start. The default starts nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalAwsConfig {
    /// DynamoDB, and where it keeps its tables.
    pub dynamodb: Option<DynamoStorage>,
    /// Kinesis. Its streams are in memory.
    pub kinesis: bool,
    /// S3, and the folder that holds a folder for each bucket; made when it does not exist.
    pub s3_root: Option<PathBuf>,
    /// Ports to listen on.
    pub ports: Ports,
}

impl LocalAwsConfig {
    /// All three, with everything that is kept under one folder: `dynamodb.sqlite` and `s3/`. The folder must
    /// exist.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        Self::default()
            .with_dynamodb(DynamoStorage::File(folder.join("dynamodb.sqlite")))
            .with_kinesis()
            .with_s3(folder.join("s3"))
    }

    /// Also start DynamoDB.
    #[must_use]
    pub fn with_dynamodb(mut self, storage: DynamoStorage) -> Self {
        self.dynamodb = Some(storage);
        self
    }

    /// Also start Kinesis.
    #[must_use]
    pub fn with_kinesis(mut self) -> Self {
        self.kinesis = true;
        self
    }

    /// Also start S3 over the folder `root`.
    #[must_use]
    pub fn with_s3(mut self, root: impl Into<PathBuf>) -> Self {
        self.s3_root = Some(root.into());
        self
    }

    /// Listen on these ports.
    #[must_use]
    pub fn with_ports(mut self, ports: Ports) -> Self {
        self.ports = ports;
        self
    }
}
