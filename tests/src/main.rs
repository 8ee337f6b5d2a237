//! The `tollwatch` command, built as a binary of this package: Cargo then builds it for the suites in the same run,
//! with the same features, and nothing twice.

fn main() -> std::process::ExitCode {
    cli::main()
}
