//! `tollwatch quarantine`: the records that were set aside.

mod list;
mod redrive;
mod show;
mod stored;

use crate::failure::Outcome;

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// A line a record, and how many there are by reason
    List(list::Arguments),
    /// One record in full
    Show(show::Arguments),
    /// Records back on the stream, as they came or repaired
    Redrive(redrive::Arguments),
}

/// Lists, shows or puts back.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::List(arguments) => list::run(arguments).await,
        Command::Show(arguments) => show::run(arguments).await,
        Command::Redrive(arguments) => redrive::run(arguments).await,
    }
}
