//! Every bound of the service on what callers may make it hold, but for those of single requests' fields, which are
//! where the fields are read.

use std::time::Duration;

/// The largest request, in bytes, before and after decompression: 1,000 entities and 1,000 feature names of 200 bytes
/// each fit.
pub const REQUEST_BYTES_MAX: usize = 512 * 1024;
/// How long a request may take if the caller names no deadline.
pub const DEADLINE_DEFAULT: Duration = Duration::from_secs(10);
/// The longest deadline a caller can ask for: API Gateway and most load balancers cut at 30 s.
pub const DEADLINE_MAX: Duration = Duration::from_secs(30);

/// How long the page of metrics waits to learn how old the snapshot is.
pub const MEASURE_MAX: Duration = Duration::from_secs(1);

/// Requests that are answered at once, unless the operator says otherwise. More are told to come again. By Little's
/// law 256 requests of 5 ms (a query of DynamoDB) are 51,200 a second, and of 50 ms (a cold read of S3) 5,120; where the
/// machine answers fewer, letting more in makes each slower and not one more. A response of [`crate::VALUES_MAX`]
/// values, which is the largest, takes 13 MB with its encoded form (measured: `docs/serving.md`), so the worst 256 take
/// 3.3 GB.
pub const IN_FLIGHT_DEFAULT: usize = 256;
/// Connections that are open at once, unless the operator says otherwise. Half of the 1,024 files that a process may
/// open where nobody raised the limit; the stores' connections and the snapshot's files need the others.
pub const CONNECTIONS_DEFAULT: usize = 512;

/// How long a TLS handshake may take.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// How long after the handshake the first request's headers may take.
pub const FIRST_REQUEST_MAX: Duration = Duration::from_secs(10);
/// How long a connection may stay without a request, and how long later headers of HTTP/1.1 may take. Longer than
/// the 60 s of AWS load balancers, which must be the ones to close: a request that meets a closing connection fails.
pub const IDLE_MAX: Duration = Duration::from_secs(75);
/// How long a request may take until the last byte of its answer has been taken: its deadline, and as long again for
/// sending. A caller who reads more slowly than 4 MB in 30 s loses the connection.
pub const REQUEST_LIFE_MAX: Duration = Duration::from_mins(1);
/// How long a connection that is being retired may still take.
pub const RETIREMENT_MAX: Duration = Duration::from_secs(5);
/// How long requests in flight may still take after the signal to stop.
pub const DRAIN_MAX: Duration = Duration::from_secs(20);
/// How long health's streams may still take after it, to hear that the service ends. They never end by themselves.
pub const FAREWELL: Duration = Duration::from_secs(1);
/// How often certificates, keys and tokens are read again.
pub const RELOAD_EVERY: Duration = Duration::from_mins(1);

/// Requests of one connection of HTTP/2 at once. A client opens another connection for more.
pub const STREAMS_MAX: u32 = 100;
/// Bytes that one request of HTTP/2 may have on the way before it is read.
pub const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// The same of all requests of a connection.
pub const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Header bytes of a request: a token has at most 512, names and addresses few.
pub const HEADER_BYTES_MAX: u32 = 16 * 1024;
/// Bytes that HTTP/1.1 holds of a request before it is read.
pub const HTTP1_BUFFER_BYTES: usize = 64 * 1024;
/// How often a peer of HTTP/2 is asked whether it is still there.
pub const PING_EVERY: Duration = Duration::from_secs(30);
/// How long it may take to say so.
pub const PING_ANSWER_MAX: Duration = Duration::from_secs(10);

/// Bytes of a refused request that are read and thrown away, so that its caller gets to read the refusal.
pub const REFUSED_BYTES_MAX: usize = REQUEST_BYTES_MAX;
/// How long they may take.
pub const REFUSED_READ_MAX: Duration = Duration::from_secs(2);
