# The few commands that people use. `just` lists them.

default:
    @just --list

# The main job on one command: calls in, exact features out.
demo *ARGS:
    cargo run --release -- demo {{ARGS}}

# The same system live, until Ctrl-C.
up *ARGS:
    cargo run --release -- up {{ARGS}}

test:
    cargo test --workspace

# What CI runs.
ci:
    bash .ci/run

fmt:
    cargo fmt --all

lint:
    cargo clippy --workspace --all-targets -- -D warnings
