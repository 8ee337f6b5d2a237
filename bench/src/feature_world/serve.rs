//! The native service over a world, as `tollwatch serve` puts it together.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bench::world::NOW_MS;
use cdr::NumberPlan;
use objects::Objects;
use serve_features::native::NativeServer;
use serve_features::sources::TileSource;
use serve_features::stores::{PublishedSnapshots, StoredTiles};
use serve_features::{Clock, Service};
use snapshot::{CacheSizes, SnapshotCache};
use tiles::{DynamoTiles, MemoryTiles};

use crate::make::World;
use crate::{TABLE, data, until_left};

/// What is served, and how.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    world: World,
    /// Where to listen, on loopback
    #[arg(long)]
    port: u16,
    /// The local DynamoDB with the tiles [default: tiles in the memory of the service]
    #[arg(long)]
    dynamodb: Option<String>,
    /// Memory for what is read of the snapshot, in MB
    #[arg(long, default_value_t = 128)]
    cache_mb: u64,
}

/// Serves until standard input ends.
pub(crate) async fn serve(arguments: &Arguments) -> anyhow::Result<()> {
    let world = arguments.world.open()?;
    let set = Arc::clone(world.set());
    // Time stands still, so that the snapshot is always yesterday's.
    let clock: Clock = Arc::new(|| NOW_MS);
    let tiles: Arc<dyn TileSource> = if let Some(url) = &arguments.dynamodb {
        let store = DynamoTiles::new(local_aws::dynamodb_client(url), TABLE);
        Arc::new(StoredTiles::new(store, Arc::clone(&set), Arc::clone(&clock)))
    } else {
        let store = MemoryTiles::default();
        let phones = if arguments.world.without_stream { 0 } else { world.phones() };
        world.write_tiles(&store, phones).await?;
        Arc::new(StoredTiles::new(store, Arc::clone(&set), Arc::clone(&clock)))
    };
    drop(world);
    let cache = Arc::new(SnapshotCache::new(CacheSizes::of_total(arguments.cache_mb * 1024 * 1024)));
    let objects = Objects::in_folder(data(&arguments.world.folder));
    let snapshots =
        Arc::new(PublishedSnapshots::new(objects, Arc::clone(&set), Arc::clone(&cache), Arc::clone(&clock)));
    let plan = NumberPlan::new(&set.settings().default_region)?;
    let service = Arc::new(Service::new(set, plan, tiles, snapshots, clock));
    let server = NativeServer::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port)), service).await?;
    let url = format!("http://{}", server.address());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async {
        // The sender is gone only with this process.
        let _ = stopped.await;
    }));
    until_left(&url).await?;
    let _ = stop.send(());
    serving.await??;
    eprintln!("{:?}", cache.usage());
    Ok(())
}
