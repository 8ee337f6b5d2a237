//! Makes a world, and serves its tiles.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use bench::world::{self, definitions_without_stream};
use features::FeatureSet;
use local_aws::{DynamoStorage, LocalAws, LocalAwsConfig};
use tiles::DynamoTiles;

use crate::{TABLE, data, until_left};

/// Calls of a phone in a day, in the mean.
const CALLS_A_DAY: f64 = 1.0;

/// A world in a folder.
#[derive(clap::Args)]
pub(crate) struct World {
    /// Where it lies
    pub(crate) folder: PathBuf,
    /// How many phones it has
    #[arg(long, default_value_t = 100_000)]
    pub(crate) phones: u64,
    /// Calls of a phone in a day, in the mean
    #[arg(long, default_value_t = CALLS_A_DAY)]
    pub(crate) calls_a_day: f64,
    /// The stream keeps no tiles: all values are those of the snapshot
    #[arg(long)]
    pub(crate) without_stream: bool,
}

impl World {
    /// The definitions it was made with.
    pub(crate) fn set(&self) -> anyhow::Result<Arc<FeatureSet>> {
        Ok(Arc::new(if self.without_stream { definitions_without_stream()? } else { FeatureSet::default_set()? }))
    }

    /// Its phones and calls.
    pub(crate) fn open(&self) -> anyhow::Result<world::World> {
        world::World::new(self.set()?, self.phones, self.calls_a_day)
    }
}

/// What is made.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    world: World,
    /// A CSV file for the values of all phones
    #[arg(long)]
    values: Option<PathBuf>,
}

/// Writes the snapshot, and what the features are of which it is one.
pub(crate) fn make(arguments: &Arguments) -> anyhow::Result<()> {
    let world = arguments.world.open()?;
    let row_bytes = world.write_snapshot(&data(&arguments.world.folder))?;
    if let Some(path) = &arguments.values {
        world.write_values(path, !arguments.world.without_stream)?;
    }
    println!("{} phones, {row_bytes:.0} bytes a row", world.phones());
    Ok(())
}

/// Serves the tiles of a world.
pub(crate) async fn dynamodb(world: &World) -> anyhow::Result<()> {
    let local = LocalAws::start(LocalAwsConfig::default().with_dynamodb(DynamoStorage::Memory)).await?;
    let store = DynamoTiles::new(local.dynamodb()?, TABLE);
    store.create_table_if_missing().await?;
    let tiles = world.open()?.write_tiles(&store, world.phones).await?;
    eprintln!("{tiles} tiles");
    until_left(&local.endpoints().dynamodb.context("DynamoDB has no endpoint")?).await?;
    local.shutdown().await;
    Ok(())
}
