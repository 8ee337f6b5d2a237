//! What the measurements of the feature service run beside the load generator: makes a world of phones, serves it, and
//! measures point reads.
//!
//!     feature-world make FOLDER --phones 100000          # a snapshot, and what its features are, for the peers
//!     feature-world dynamodb FOLDER                      # its tiles in a local DynamoDB
//!     feature-world serve FOLDER --port 7020             # the native service over both
//!     feature-world points FOLDER                        # what a key costs that is not in memory

use std::path::PathBuf;

use clap::Parser;

mod make;
mod points;
mod serve;

/// The allocator of the `tollwatch` command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The bucket: a folder of this name holds the snapshot.
const BUCKET: &str = "bench";
const TABLE: &str = "bench-tiles";

#[derive(Parser)]
enum Command {
    /// Makes a world in a folder that does not exist yet.
    Make(make::Arguments),
    /// Serves the tiles of a world from a local DynamoDB in memory, until standard input ends.
    Dynamodb(make::World),
    /// Serves a world until standard input ends.
    Serve(serve::Arguments),
    /// Measures point reads on a world.
    Points(points::Arguments),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Make(arguments) => make::make(&arguments),
        Command::Dynamodb(world) => make::dynamodb(&world).await,
        Command::Serve(arguments) => serve::serve(&arguments).await,
        Command::Points(arguments) => points::measure(&arguments).await,
    }
}

/// Where the snapshot of a world lies.
fn data(folder: &std::path::Path) -> PathBuf {
    folder.join(BUCKET)
}

/// Tells where something listens, and returns when nobody is there any more who asked.
async fn until_left(url: &str) -> anyhow::Result<()> {
    println!("{url}");
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink())).await??;
    Ok(())
}
