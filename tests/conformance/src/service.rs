//! The suite's service.

use buffa_types::google::protobuf::Any;
use connectrpc::{
    ConnectError, InboundStream, RequestContext, Response, ServiceRequest, ServiceResult, ServiceStream,
};
use futures::stream::unfold;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::mpsc;

use crate::answer;
use crate::generated::connectrpc::conformance::v1::conformance_payload::RequestInfo;
use crate::generated::connectrpc::conformance::v1::{
    BidiStreamRequest, BidiStreamResponse, ClientStreamRequest, ClientStreamResponse, ConformancePayload,
    ConformanceService, IdempotentUnaryRequest, IdempotentUnaryResponse, ServerStreamRequest, ServerStreamResponse,
    StreamResponseDefinition, UnaryRequest, UnaryResponse, UnimplementedRequest, UnimplementedResponse,
};

/// The service.
pub(crate) struct Conformance;

impl ConformanceService for Conformance {
    async fn unary<'a>(
        &'a self,
        ctx: RequestContext,
        request: ServiceRequest<'_, UnaryRequest>,
    ) -> ServiceResult<impl connectrpc::Encodable<UnaryResponse> + Send + use<'a>> {
        let request = request.to_owned_message();
        let echoed = vec![answer::echo("UnaryRequest", &request)];
        let answered = answer::one(&ctx, request.response_definition.as_option(), echoed).await?;
        Ok(answered.map_body(|payload| UnaryResponse { payload: payload.into(), ..Default::default() }))
    }

    async fn idempotent_unary<'a>(
        &'a self,
        ctx: RequestContext,
        request: ServiceRequest<'_, IdempotentUnaryRequest>,
    ) -> ServiceResult<impl connectrpc::Encodable<IdempotentUnaryResponse> + Send + use<'a>> {
        let request = request.to_owned_message();
        let echoed = vec![answer::echo("IdempotentUnaryRequest", &request)];
        let answered = answer::one(&ctx, request.response_definition.as_option(), echoed).await?;
        Ok(answered.map_body(|payload| IdempotentUnaryResponse { payload: payload.into(), ..Default::default() }))
    }

    async fn unimplemented<'a>(
        &'a self,
        _ctx: RequestContext,
        _request: ServiceRequest<'_, UnimplementedRequest>,
    ) -> ServiceResult<impl connectrpc::Encodable<UnimplementedResponse> + Send + use<'a>> {
        Err::<Response<UnimplementedResponse>, _>(ConnectError::unimplemented("left out"))
    }

    async fn client_stream(
        &self,
        ctx: RequestContext,
        requests: InboundStream<ClientStreamRequest>,
    ) -> ServiceResult<impl connectrpc::Encodable<ClientStreamResponse> + Send + use<'_>> {
        let requests: Vec<_> = requests.map_ok(|request| request.to_owned_message()).try_collect().await?;
        let echoed = requests.iter().map(|request| answer::echo("ClientStreamRequest", request)).collect();
        let definition = requests.first().and_then(|first| first.response_definition.as_option());
        let answered = answer::one(&ctx, definition, echoed).await?;
        Ok(answered.map_body(|payload| ClientStreamResponse { payload: payload.into(), ..Default::default() }))
    }

    async fn server_stream(
        &self,
        ctx: RequestContext,
        request: ServiceRequest<'_, ServerStreamRequest>,
    ) -> ServiceResult<ServiceStream<impl connectrpc::Encodable<ServerStreamResponse> + Send + use<>>> {
        let request = request.to_owned_message();
        let seen = answer::seen(&ctx, vec![answer::echo("ServerStreamRequest", &request)]);
        let definition = request.response_definition.into_option().unwrap_or_default();
        let wrap =
            |payload: ConformancePayload| ServerStreamResponse { payload: payload.into(), ..Default::default() };
        let (answers, response) = streamed(&definition, wrap)?;
        tokio::spawn(answers.send_all(definition, Some(seen)));
        Ok(response)
    }

    async fn bidi_stream(
        &self,
        ctx: RequestContext,
        mut requests: InboundStream<BidiStreamRequest>,
    ) -> ServiceResult<ServiceStream<impl connectrpc::Encodable<BidiStreamResponse> + Send + use<>>> {
        let first = requests.next().await.transpose()?.map(|request| request.to_owned_message());
        let definition = first.as_ref().and_then(|first| first.response_definition.as_option()).cloned();
        let definition = definition.unwrap_or_default();
        let wrap = |payload: ConformancePayload| BidiStreamResponse { payload: payload.into(), ..Default::default() };
        let (mut answers, response) = streamed(&definition, wrap)?;
        let is_full_duplex = first.as_ref().is_some_and(|first| first.full_duplex);
        let mut echoed: Vec<Any> = first.iter().map(|request| answer::echo("BidiStreamRequest", request)).collect();
        let mut seen = answer::seen(&ctx, Vec::new());
        tokio::spawn(async move {
            let mut left = definition;
            loop {
                if is_full_duplex {
                    if left.response_data.is_empty() {
                        break;
                    }
                    let data = left.response_data.remove(0);
                    seen.requests = std::mem::take(&mut echoed);
                    answer::wait(left.response_delay_ms).await;
                    if !answers.send(&data, Some(std::mem::take(&mut seen))).await {
                        return;
                    }
                }
                match requests.next().await {
                    None => break,
                    Some(Ok(request)) => {
                        echoed.push(answer::echo("BidiStreamRequest", &request.to_owned_message()));
                    }
                    Some(Err(error)) => return answers.fail(error).await,
                }
            }
            seen.requests = echoed;
            answers.send_all(left, Some(seen)).await;
        });
        Ok(response)
    }
}

/// The sending end of a stream of answers.
struct Answers<T> {
    sender: mpsc::Sender<Result<T, ConnectError>>,
    wrap: fn(ConformancePayload) -> T,
    is_begun: bool,
}

/// A response of a stream that begins at once, and its sending end.
fn streamed<T: Send + 'static>(
    definition: &StreamResponseDefinition,
    wrap: fn(ConformancePayload) -> T,
) -> Result<(Answers<T>, Response<ServiceStream<T>>), ConnectError> {
    let (sender, receiver) = mpsc::channel(1);
    let stream = unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
    let mut response = Response::stream(stream);
    response.headers = answer::map(&definition.response_headers)?;
    response.trailers = answer::map(&definition.response_trailers)?;
    Ok((Answers { sender, wrap, is_begun: false }, response))
}

impl<T> Answers<T> {
    /// Sends one answer; false if nobody listens any more.
    async fn send(&mut self, data: &[u8], seen: Option<RequestInfo>) -> bool {
        self.is_begun = true;
        self.sender.send(Ok((self.wrap)(answer::payload(data, seen)))).await.is_ok()
    }

    /// Sends what is left of a definition, its error last. What was seen goes with the first answer, or with the error
    /// if there is none.
    async fn send_all(mut self, definition: StreamResponseDefinition, seen: Option<RequestInfo>) {
        let mut seen = seen.filter(|_| !self.is_begun);
        for data in &definition.response_data {
            answer::wait(definition.response_delay_ms).await;
            if !self.send(data, seen.take()).await {
                return;
            }
        }
        if let Some(defined) = definition.error.as_option() {
            let error = answer::error(defined, seen.as_ref());
            self.fail(error).await;
        }
    }

    /// Ends the stream with an error.
    async fn fail(&self, error: ConnectError) {
        // Nobody may be left to hear it.
        let _ = self.sender.send(Err(error)).await;
    }
}
