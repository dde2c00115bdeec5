"""`score_tokens.py` with coroutines: one whose caller leaves is ended while it waits."""

import asyncio
import json

import score_tokens

STREAM_CONTENT_TYPE = "text/event-stream"


async def init():
    score_tokens.init()


async def run(data):
    asked = json.loads(data)
    tokens = generate(asked["prompt"], asked.get("max_tokens", 20))
    if asked.get("stream"):
        return events(tokens)
    return {"text": " ".join([token async for token in tokens])}


async def generate(prompt, most):
    for token in score_tokens.generate(prompt, most):
        await asyncio.sleep(0)  # where another would wait for its model
        yield token


async def events(tokens):
    async for token in tokens:
        yield {"token": token}
    yield "data: [DONE]\n\n"
