//! The RPC surface: protobuf in, protobuf out. What a request means is [`crate::request`]'s business, what the
//! answer is [`crate::lookup`]'s.

use std::sync::Arc;

use cdr::NumberPlan;
use connectrpc::{RequestContext, Response, ServiceRequest, ServiceResult};
use features::{Entity, FeatureSet};
use futures::{StreamExt, future, stream};
use proto::{Timestamp, v1};
use snapshot::SnapshotCache;
use telemetry::Sink;

use crate::answer_log::AnswerLog;
use crate::catalog::{Asked, Catalog, Selection};
use crate::deadline::Timed;
use crate::error::{AnswerError, RequestError};
use crate::limits::MEASURE_MAX;
use crate::lookup::{Lookup, Pinned};
use crate::merge::AsOf;
use crate::request::{self, Target};
use crate::response;
use crate::service_metrics::ServiceMetrics;
use crate::sources::{SnapshotSource, TileSource};

/// Entities of one batch.
pub const ENTITIES_MAX: usize = 1_000;
/// Values of one response: they stay within the 4 MB that gRPC clients take by default.
pub const VALUES_MAX: usize = 40_000;
/// Entities of a batch that are read at once: enough to hide the store's latency, few enough not to open more
/// connections than a client of the SDK keeps.
const ENTITIES_AT_ONCE: usize = 32;

/// The service's clock: milliseconds since 1970 UTC.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The feature service.
pub struct Service {
    lookup: Lookup,
    plan: NumberPlan,
    clock: Clock,
    values_max: usize,
    answer_log: Option<AnswerLog>,
    metrics: Option<ServiceMetrics>,
}

impl Service {
    /// A service that answers with `set`, reads from these stores and asks `clock` for now. `plan` must be of the
    /// default region of the set.
    pub fn new(
        set: Arc<FeatureSet>,
        plan: NumberPlan,
        tiles: Arc<dyn TileSource>,
        snapshots: Arc<dyn SnapshotSource>,
        clock: Clock,
    ) -> Self {
        let (tiles, snapshots) = (Timed::new("the tile store", tiles), Timed::new("the snapshot", snapshots));
        let lookup = Lookup::new(Catalog::new(set), Arc::new(tiles), Arc::new(snapshots));
        Self { lookup, plan, clock, values_max: VALUES_MAX, answer_log: None, metrics: None }
    }

    /// Answers batches of at most `values_max` values, where what carries the response takes less than
    /// [`VALUES_MAX`].
    #[must_use]
    pub fn with_values_max(mut self, values_max: usize) -> Self {
        self.values_max = values_max;
        self
    }

    /// Writes a sample of its answers to a log. Those of the older service are not among them: they do not say what
    /// they cover.
    #[must_use]
    pub fn with_answer_log(mut self, answer_log: AnswerLog) -> Self {
        self.answer_log = Some(answer_log);
        self
    }

    /// Tells a sink of its answers, and of the cache that its snapshots are read through.
    #[must_use]
    pub fn with_metrics(mut self, sink: Arc<dyn Sink>, cache: Option<Arc<SnapshotCache>>) -> Self {
        self.metrics = Some(ServiceMetrics::new(sink, cache));
        self
    }

    /// Tells the sink what is true without a request: how old the snapshot is, and what the cache did.
    pub async fn measure(&self) {
        if self.metrics.is_some() {
            // A store that is slow is no reason to say nothing.
            let _ = tokio::time::timeout(MEASURE_MAX, self.pin()).await;
            self.measure_cache();
        }
    }

    /// Tells the sink what the cache did. It waits for nothing.
    pub fn measure_cache(&self) {
        if let Some(metrics) = &self.metrics {
            metrics.cache();
        }
    }

    /// The features that can be asked for.
    pub const fn catalog(&self) -> &Catalog {
        self.lookup.catalog()
    }

    /// The features of one entity.
    pub async fn get(&self, request: &v1::GetFeaturesRequest) -> Result<v1::GetFeaturesResponse, AnswerError> {
        let as_of = self.as_of(request.as_of.as_option())?;
        let selection = self.catalog().select(&request.features)?;
        let question = self.question(&request.number, request.party, request.level, &selection)?;
        let more = request::more_levels(&request.more_levels, question.target.level)?;
        let pinned = self.pin().await;
        let of_level = async |level| {
            let target = self.target(&request.number, request.party, response::level(level).into())?;
            let asked = self.catalog().asked_of(&selection, target.party, target.level);
            self.answer(&Question { target, asked }, as_of, &pinned).await
        };
        let of_levels = future::join_all(more.into_iter().map(of_level));
        let (answer, of_levels) = future::join(self.answer(&question, as_of, &pinned), of_levels).await;
        let mut answer = answer?;
        answer.more_levels = of_levels.into_iter().map(response::entity_result).collect();
        Ok(answer)
    }

    /// The features of many entities. What is wrong with the whole request is an error, what is wrong with one
    /// entity is its result.
    pub async fn get_batch(
        &self,
        request: &v1::BatchGetFeaturesRequest,
    ) -> Result<v1::BatchGetFeaturesResponse, AnswerError> {
        let count = request.entities.len();
        if count == 0 {
            return Err(RequestError::NoEntities { max: ENTITIES_MAX }.into());
        }
        if count > ENTITIES_MAX {
            return Err(RequestError::TooManyEntities { count, max: ENTITIES_MAX }.into());
        }
        let as_of = self.as_of(request.as_of.as_option())?;
        let selection = self.catalog().select(&request.features)?;
        let questions: Vec<Result<Question, RequestError>> = request
            .entities
            .iter()
            .map(|entity| self.question(&entity.number, entity.party, entity.level, &selection))
            .collect();
        let values = questions.iter().flatten().map(|question| question.asked.len()).sum();
        if values > self.values_max {
            return Err(RequestError::TooManyValues { count: values, max: self.values_max }.into());
        }
        let pinned = self.pin().await;
        let results = stream::iter(questions)
            .map(|question| async {
                let answered = match question {
                    Ok(question) => self.answer(&question, as_of, &pinned).await,
                    Err(error) => Err(error.into()),
                };
                response::entity_result(answered)
            })
            .buffered(ENTITIES_AT_ONCE)
            .collect()
            .await;
        Ok(v1::BatchGetFeaturesResponse { results, ..Default::default() })
    }

    /// One feature of one entity over time.
    pub async fn get_series(&self, request: &v1::GetSeriesRequest) -> Result<v1::GetSeriesResponse, AnswerError> {
        let target = self.target(&request.number, request.party, request.level)?;
        let feature = self.catalog().series(&request.feature, target.party, target.level)?;
        let entity = Entity::new(feature.party, target.level, &target.key);
        let (as_of, pinned) = (self.now(), self.pin().await);
        let series = self.lookup.series(feature, &entity, as_of, &pinned).await?;
        self.note_degraded(!series.degraded.is_empty());
        Ok(response::series(self.catalog(), &entity, feature, as_of, &series))
    }

    /// Every feature.
    pub fn list(&self) -> v1::ListFeaturesResponse {
        response::feature_list(self.catalog())
    }

    pub(crate) fn now(&self) -> AsOf {
        AsOf::now((self.clock)())
    }

    pub(crate) const fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    pub(crate) const fn plan(&self) -> &NumberPlan {
        &self.plan
    }

    /// The snapshot that a request is answered from.
    pub(crate) async fn pin(&self) -> Pinned {
        let pinned = self.lookup.pin().await;
        if let Some(metrics) = &self.metrics {
            metrics.pinned(&pinned, (self.clock)());
        }
        pinned
    }

    /// Tells of an answer that lacks something.
    pub(crate) fn note_degraded(&self, is_degraded: bool) {
        if let Some(metrics) = self.metrics.as_ref().filter(|_| is_degraded) {
            metrics.degraded();
        }
    }

    fn as_of(&self, sent: Option<&Timestamp>) -> Result<AsOf, RequestError> {
        request::as_of(sent, (self.clock)())
    }

    fn question(
        &self,
        number: &str,
        party: buffa::EnumValue<v1::Party>,
        level: buffa::EnumValue<v1::Level>,
        selection: &Selection,
    ) -> Result<Question, RequestError> {
        let target = self.target(number, party, level)?;
        let asked = self.catalog().asked(selection, target.party, target.level)?;
        Ok(Question { target, asked })
    }

    fn target(
        &self,
        number: &str,
        party: buffa::EnumValue<v1::Party>,
        level: buffa::EnumValue<v1::Level>,
    ) -> Result<Target, RequestError> {
        let range_digits = self.catalog().set().settings().range_digits;
        request::target(&self.plan, range_digits, number, party, level)
    }

    async fn answer(
        &self,
        question: &Question,
        as_of: AsOf,
        pinned: &Pinned,
    ) -> Result<v1::GetFeaturesResponse, AnswerError> {
        let Question { target, asked } = question;
        let reply = self.lookup.answer(target.level, &target.key, asked, as_of, pinned).await?;
        self.note_degraded(!reply.degraded.is_empty());
        let response = response::features(self.catalog(), target, as_of, &reply);
        if let Some(log) = &self.answer_log {
            log.note(target, as_of, (self.clock)(), &reply, &response);
        }
        Ok(response)
    }
}

/// What one entity is asked.
struct Question {
    target: Target,
    asked: Vec<Asked>,
}

impl v1::FeatureService for Service {
    async fn get_features<'a>(
        &'a self,
        _ctx: RequestContext,
        request: ServiceRequest<'_, v1::GetFeaturesRequest>,
    ) -> ServiceResult<impl connectrpc::Encodable<v1::GetFeaturesResponse> + Send + use<'a>> {
        Response::ok(self.get(&request.to_owned_message()).await?)
    }

    async fn batch_get_features<'a>(
        &'a self,
        _ctx: RequestContext,
        request: ServiceRequest<'_, v1::BatchGetFeaturesRequest>,
    ) -> ServiceResult<impl connectrpc::Encodable<v1::BatchGetFeaturesResponse> + Send + use<'a>> {
        Response::ok(self.get_batch(&request.to_owned_message()).await?)
    }

    async fn get_series<'a>(
        &'a self,
        _ctx: RequestContext,
        request: ServiceRequest<'_, v1::GetSeriesRequest>,
    ) -> ServiceResult<impl connectrpc::Encodable<v1::GetSeriesResponse> + Send + use<'a>> {
        Response::ok(self.get_series(&request.to_owned_message()).await?)
    }

    async fn list_features<'a>(
        &'a self,
        _ctx: RequestContext,
        _request: ServiceRequest<'_, v1::ListFeaturesRequest>,
    ) -> ServiceResult<impl connectrpc::Encodable<v1::ListFeaturesResponse> + Send + use<'a>> {
        Response::ok(self.list())
    }
}
