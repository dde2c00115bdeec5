"""A private package index on loopback: PEP 503 behind a user and a password."""

import base64
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USER = "robot"
PASSWORD = "s3cr3t/of@the index"


class PackageIndex:
    """Holds files by name; `asked` is every path that a request with the password had."""

    def __init__(self, server: ThreadingHTTPServer, files: dict[str, bytes]) -> None:
        self.host = f"127.0.0.1:{server.server_port}"
        self.url = f"http://{self.host}/simple"
        self.files = files
        self.asked: list[str] = []
        self.uploaded: dict[str, str] = {}
        """When each file came there, where the index says so."""

    def add_wheel(self, name: str, version: str, body: str) -> None:
        info = f"{name}-{version}.dist-info"
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as wheel:
            wheel.writestr(f"{name}.py", body)
            wheel.writestr(f"{info}/METADATA", _metadata(name, version))
            wheel.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{info}/RECORD", "")
        self.files[f"{name}-{version}-py3-none-any.whl"] = content.getvalue()

    def add_source(self, name: str, version: str, backend: str) -> None:
        """A package that has to be built, by the module `backend`."""
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            for path, text in (
                ("PKG-INFO", _metadata(name, version)),
                ("backend.py", backend),
                (
                    "pyproject.toml",
                    "[build-system]\nrequires = []\n"
                    'build-backend = "backend"\nbackend-path = ["."]\n',
                ),
            ):
                member = tarfile.TarInfo(f"{name}-{version}/{path}")
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
        self.files[f"{name}-{version}.tar.gz"] = content.getvalue()


@contextmanager
def serving() -> Iterator[PackageIndex]:
    """An index without packages, until the block ends."""
    files: dict[str, bytes] = {}
    known = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Door(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            if self.headers.get("authorization") != known:
                self._answer(401, b"", **{"www-authenticate": 'Basic realm="packages"'})
                return
            index.asked.append(self.path)
            what, _, name = self.path.strip("/").partition("/")
            if what == "files" and name in files:
                self._answer(200, files[name], **{"content-type": "application/octet-stream"})
                return
            if index.uploaded:
                kind = "application/vnd.pypi.simple.v1+json"
                self._answer(200, _told(index, name.strip("/")), **{"content-type": kind})
                return
            links = [_link(file, content) for file, content in files.items() if _is_of(file, name)]
            page = "".join(links).encode()
            self._answer(200 if links else 404, page, **{"content-type": "text/html"})

        def _answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    index = PackageIndex(server, files)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _metadata(name: str, version: str) -> str:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"


def _is_of(file: str, name: str) -> bool:
    return file.startswith(f"{name}-")


def _told(index: PackageIndex, name: str) -> bytes:
    listed = [
        {
            "filename": file,
            "url": f"/files/{file}",
            "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
            "upload-time": index.uploaded[file],
        }
        for file, content in index.files.items()
        if _is_of(file, name)
    ]
    meta = {"api-version": "1.1"}
    return json.dumps({"meta": meta, "name": name, "versions": [], "files": listed}).encode()


def _link(file: str, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    return f'<a href="/files/{file}#sha256={digest}">{file}</a>\n'
