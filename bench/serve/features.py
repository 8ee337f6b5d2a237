"""The features that all services are asked for, as Feast declares them: what its batch job computed for each phone."""

import datetime

from feast import Entity, FeatureService, FeatureView, Field, FileSource
from feast.types import Float64, Int64
from feast.value_type import ValueType

MEASURES = {"calls": Int64, "velocity": Float64, "active_days": Int64, "talk_ms": Int64, "answered_calls": Int64}
DAYS = [1, 7, 30, 90]

phone = Entity(name="phone", join_keys=["phone"], value_type=ValueType.STRING)
calls = FeatureView(
    name="calls",
    entities=[phone],
    ttl=datetime.timedelta(0),
    schema=[Field(name=f"{measure}_{days}d", dtype=dtype) for measure, dtype in MEASURES.items() for days in DAYS],
    source=FileSource(path="unused.parquet", timestamp_field="event_timestamp"),
    online=True,
)
service = FeatureService(name="calls", features=[calls])
