"""A webhook receiver as it is often written: it verifies, remembers ids in memory, and calls the orchestrator before it answers."""

import hashlib
import hmac
import os
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Header, HTTPException, Request

SECRET = os.environ["SECRET"].encode()
ORCHESTRATOR = os.environ["ORCHESTRATOR_URL"]

seen: dict[str, str] = {}


@asynccontextmanager
async def lifespan(app: FastAPI):
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(limits=limits, timeout=30) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/hooks/github", status_code=202)
async def receive(
    request: Request,
    x_hub_signature_256: str = Header(),
    x_github_delivery: str = Header(),
    x_github_event: str = Header(),
):
    body = await request.body()
    expected = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), x_hub_signature_256.encode()):
        raise HTTPException(401, "the signature does not match")
    if x_github_delivery in seen:
        return {"status": "duplicate", "execution_id": seen[x_github_delivery]}
    event = await request.json()
    run = {
        "workflow_id": "bench",
        "params": {
            "event": x_github_event,
            "action": event["action"],
            "number": event["number"],
            "title": event["pull_request"]["title"],
            "repository": event["repository"]["full_name"],
        },
    }
    answer = await app.state.client.post(f"{ORCHESTRATOR}/workflows/execute", json=run)
    answer.raise_for_status()
    seen[x_github_delivery] = answer.json()["execution_id"]
    return {"status": "accepted", "execution_id": seen[x_github_delivery]}
