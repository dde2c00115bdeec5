"""A tiny language model that answers token by token, as server-sent events.

    {"prompt": "Sparse", "max_tokens": 12, "stream": true}

Without `stream` the answer is JSON, as of any script. `score_tokens_async.py` does the same with
coroutines, as clients of other model servers would."""

import codecs
import contextlib
import io
import itertools
import json
import random

STREAM_CONTENT_TYPE = "text/event-stream"


def init():
    global following
    with contextlib.redirect_stdout(io.StringIO()):
        import this
    words = codecs.decode(this.s, "rot13").split()
    following = {}
    for word, after in itertools.pairwise(words):
        following.setdefault(word, []).append(after)


def run(data):
    asked = json.loads(data)
    tokens = generate(asked["prompt"], asked.get("max_tokens", 20))
    if asked.get("stream"):
        return events(tokens)
    return {"text": " ".join(tokens)}


def generate(prompt, most):
    word = prompt.split()[-1]
    for _ in range(most):
        word = random.choice(following.get(word) or list(following))
        yield word


def events(tokens):
    for token in tokens:
        yield {"token": token}
    yield "data: [DONE]\n\n"
