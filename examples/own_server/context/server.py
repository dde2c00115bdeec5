"""A model's server, in nothing but Python. It knows nothing of ml-endpoints: any program in any
language that speaks HTTP will do."""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8080

with open(os.environ["WEIGHTS"]) as file:
    WEIGHTS = json.load(file)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/health":
            self.say(200, {"status": "well"})
        elif self.path == "/weights":
            self.say(200, WEIGHTS)
        else:
            self.say(404, {"message": f"There is nothing at {self.path}."})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path != "/predict":
            self.say(404, {"message": f"There is nothing at {self.path}."})
            return
        try:
            numbers = json.loads(body)["data"]
            told = [WEIGHTS["slope"] * float(each) + WEIGHTS["offset"] for each in numbers]
        except (ValueError, KeyError, TypeError):
            self.say(400, {"message": 'Send {"data": [numbers]}.'})
            return
        self.say(200, {"predictions": told})

    def say(self, status: int, answer: object) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


# A container's first process ends by SIGTERM only if it says so.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print(f"serving a slope of {WEIGHTS['slope']} at port {PORT}")
ThreadingHTTPServer(("0.0.0.0", PORT), Handler).serve_forever()
