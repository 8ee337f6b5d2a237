"""The older FeatureService as it was: Python, grpcio and Redis, a hash a phone: `feature_service.py PORT REDIS_PORT`.
Its messages are made from proto/legacy_feature_service.proto."""

import asyncio
import sys

import grpc
import legacy_feature_service_pb2 as messages
import legacy_feature_service_pb2_grpc as services
import redis.asyncio
import uvloop


class Features(services.FeatureServiceServicer):
    def __init__(self, client):
        self.client = client

    async def GetFeatures(self, request, context):
        values = await self.client.hgetall(f"features:{request.user_id}")
        if not values:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no features")
        return messages.FeatureResponse(features=values)


async def main():
    port, redis_port = sys.argv[1:]
    server = grpc.aio.server()
    client = redis.asyncio.Redis(port=int(redis_port), decode_responses=True)
    services.add_FeatureServiceServicer_to_server(Features(client), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


uvloop.run(main())
