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

# The SQL for Spark and Athena against the batch job. Needs Python 3, Java 17 and PyPI.
parity:
    tests/parity/run

# The page in headless Chromium, and the OpenAPI document beside real answers. Needs Python 3, Chromium and PyPI.
browser:
    tests/browser/run

# The service asked by real clients, and the .proto files against those released. Needs Python 3, Node, PyPI and npm.
clients:
    tests/clients/run

# The Connect conformance suite; RUNNER is its `connectconformance`.
conformance RUNNER:
    tests/conformance/run {{RUNNER}}

# The consumer under faults, one run a seed; every tile is compared with a recount.
sim SEEDS="1000" *ARGS:
    cargo run --release -p simulation -- {{SEEDS}} {{ARGS}}

# What the simulation does wrong on purpose, and how many seeds it took to notice.
sabotages SEEDS="2000":
    cargo run --release -p simulation -- {{SEEDS}} --table

# The tables of docs/measurements.md.
bench: dist
    target/dist/count-calls-rate
    target/dist/write-units
    target/dist/unit-sizes
    target/dist/sdk-updates
    target/dist/cold-start target/dist/count-calls

# The feature service beside Feast and a Python service on Redis. Needs Python 3.11, redis-server and PyPI.
bench-serve *ARGS: dist
    bench/serve/run --bins target/dist {{ARGS}}

# The batch job beside Spark, DuckDB and Polars from Python, on 20 million calls. Needs Python, and Java for Spark.
bench-batch *ARGS: dist
    bench/batch/run --tollwatch target/dist/tollwatch {{ARGS}}

# Everything as it is deployed and measured: optimised, dependencies too.
dist:
    cargo build --profile dist --workspace --bins
