//! A response body handed out in small pieces. The HTTP/2 library takes a whole frame of a body as soon as its reader has
//! room for one byte, and lets go of the body: a reader that stops there would cost memory that no limit counts.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// The most that is handed out before the reader has taken what was: a frame of HTTP/2 as clients have them by default.
pub(crate) const PIECE_BYTES: usize = 16 * 1024;

/// A body in pieces of at most [`PIECE_BYTES`].
#[derive(Debug)]
pub(crate) struct Pieces<B> {
    body: B,
    /// What is left of the last frame.
    rest: Bytes,
}

impl<B> Pieces<B> {
    /// Cuts up the frames of `body`.
    pub(crate) const fn new(body: B) -> Self {
        Self { body, rest: Bytes::new() }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Pieces<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return other,
            }
        }
        let length = self.rest.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (of_body, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(of_body.lower().saturating_add(rest));
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::convert::Infallible;

    use futures::stream;
    use http::HeaderMap;
    use http_body_util::{BodyExt as _, Full, StreamBody};

    use super::*;

    #[tokio::test]
    async fn frames_are_cut_and_nothing_else_changes() {
        let bytes = Bytes::from((0..100_000u32).map(|n| n as u8).collect::<Vec<_>>());
        let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
        let frames = [Frame::data(bytes.clone()), Frame::data(Bytes::new()), Frame::trailers(trailers.clone())];
        let mut pieces = Pieces::new(StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>))));
        let mut read = Vec::new();
        let mut found = None;
        while let Some(frame) = pieces.frame().await {
            match frame.unwrap().into_data() {
                Ok(data) => {
                    assert!(data.len() <= PIECE_BYTES);
                    read.extend_from_slice(&data);
                }
                Err(frame) => found = frame.into_trailers().ok(),
            }
        }
        assert_eq!((read, found), (bytes.to_vec(), Some(trailers)));
    }

    #[tokio::test]
    async fn its_length_is_known_and_it_ends_with_its_last_piece() {
        let mut pieces = Pieces::new(Full::new(Bytes::from(vec![7; PIECE_BYTES + 1])));
        assert_eq!(pieces.size_hint().exact(), Some(PIECE_BYTES as u64 + 1));
        pieces.frame().await.unwrap().unwrap();
        assert_eq!((pieces.size_hint().exact(), pieces.is_end_stream()), (Some(1), false));
        pieces.frame().await.unwrap().unwrap();
        assert!(pieces.is_end_stream());
    }
}
