//! The `tollwatch` command.

fn main() -> std::process::ExitCode {
    cli::main()
}
