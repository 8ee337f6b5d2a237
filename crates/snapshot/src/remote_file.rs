//! A file of keys and packed states where it lies: ranges of it, its footer, its row groups.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use objects::Objects;

use crate::block::Block;
use crate::row_group::{Fetched, Footer, TAIL_BYTES, Tail};
use crate::{FaceFile, RangeCache, SnapshotError, TileFile};

/// A file that a manifest lists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemoteFile<'a> {
    objects: &'a Objects,
    key: &'a str,
    /// Its size, as the manifest has it.
    bytes: u64,
    /// The checksum of its footer, as the manifest has it.
    footer_crc32: Option<u32>,
    /// Asked for footers and blocks before the file is.
    shared: Option<&'a dyn RangeCache>,
}

impl<'a> RemoteFile<'a> {
    /// A file of a face.
    pub(crate) fn of_face(objects: &'a Objects, file: &'a FaceFile, shared: Option<&'a dyn RangeCache>) -> Self {
        let FaceFile { key, bytes, footer_crc32, .. } = file;
        Self { objects, key, bytes: *bytes, footer_crc32: *footer_crc32, shared }
    }

    /// A day tile.
    pub(crate) fn of_tile(objects: &'a Objects, tile: &'a TileFile) -> Self {
        let TileFile { key, bytes, footer_crc32, .. } = tile;
        Self { objects, key, bytes: *bytes, footer_crc32: *footer_crc32, shared: None }
    }

    /// Reads a range.
    pub(crate) async fn range(&self, range: Range<u64>) -> Result<Bytes, SnapshotError> {
        // On the heap: the future of a request to S3 is large, and this one is in those of all readers.
        match Box::pin(self.objects.get_range(self.key, range.clone())).await {
            Ok(bytes) if bytes.len() as u64 == range.end - range.start => Ok(bytes),
            Ok(_) | Err(objects::Error::OutOfRange { .. }) => {
                Err(self.corrupt(format!("it is shorter than its {} bytes", self.bytes)))
            }
            Err(error) if error.is_not_found() => Err(SnapshotError::gone(self.key, self.objects)),
            Err(error) => Err(error.into()),
        }
    }

    /// The footer, checked.
    pub(crate) async fn footer(&self) -> Result<Arc<Footer>, SnapshotError> {
        let open = |tail: Bytes| {
            Footer::in_tail(&tail, self.bytes, self.footer_crc32).map_err(|detail| self.corrupt(detail))
        };
        let mut wanted = TAIL_BYTES.min(self.bytes);
        loop {
            match self.opened(self.bytes - wanted..self.bytes, open).await? {
                Tail::Whole(footer) => return Ok(Arc::new(footer)),
                Tail::Wants(more) => wanted = more.min(self.bytes),
            }
        }
    }

    /// A row group, checked and decoded.
    pub(crate) async fn block(&self, footer: &Footer, group: usize) -> Result<Arc<Block>, SnapshotError> {
        let range = footer.group_range(group);
        let start = range.start;
        let open = |bytes| {
            let fetched = self.checked(footer, group, Fetched { start, bytes })?;
            Block::read(footer, group, &fetched).map(Arc::new).map_err(|error| self.corrupt(error))
        };
        self.opened(range, open).await
    }

    /// The bytes of a row group, checked. They come from the file: who reads whole files does not go through a cache.
    pub(crate) async fn group(&self, footer: &Footer, group: usize) -> Result<Arc<Fetched>, SnapshotError> {
        let range = footer.group_range(group);
        let start = range.start;
        self.checked(footer, group, Fetched { start, bytes: self.range(range).await? })
    }

    /// The bytes of one column of a row group.
    pub(crate) async fn column(
        &self,
        footer: &Footer,
        group: usize,
        column: usize,
    ) -> Result<Arc<Fetched>, SnapshotError> {
        let range = footer.columns_range(group, [column]);
        let start = range.start;
        Ok(Arc::new(Fetched { start, bytes: self.range(range).await? }))
    }

    fn corrupt(&self, detail: impl std::fmt::Display) -> SnapshotError {
        SnapshotError::corrupt(self.key, detail)
    }

    fn checked(&self, footer: &Footer, group: usize, fetched: Fetched) -> Result<Arc<Fetched>, SnapshotError> {
        footer.check_group(group, &fetched).map_err(|detail| self.corrupt(detail))?;
        Ok(Arc::new(fetched))
    }

    /// A range, from the shared cache or the file, as `open` makes something of it. What the shared cache gives and
    /// `open` refuses is read from the file.
    async fn opened<T>(
        &self,
        range: Range<u64>,
        open: impl Fn(Bytes) -> Result<T, SnapshotError>,
    ) -> Result<T, SnapshotError> {
        let Some(shared) = self.shared else {
            return open(self.range(range).await?);
        };
        let place = self.objects.location().join(self.key).to_string();
        if let Some(bytes) = shared.get(&place, range.clone()).await
            && bytes.len() as u64 == range.end - range.start
            && let Ok(opened) = open(bytes)
        {
            return Ok(opened);
        }
        let bytes = self.range(range.clone()).await?;
        let opened = open(bytes.clone())?;
        shared.put(&place, range, bytes);
        Ok(opened)
    }
}
