"""The study's service behind a plain HTTP server, to be killed: python study_server.py STORE ROOT PORT

Each line on standard input forks a server, which prints its process id once it listens; what it needs is
imported before, so that a killed one is replaced at once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import alembic.command  # noqa: F401  imported for the children

from demo.study.prepared import Library
from demo.study.service import StudyService
from demo.study.store import Store


def serve(url: str, root: str, port: int) -> None:
    service = StudyService(Store.open(url), Library(Path(root)))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(service.call(request)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    sys.stdout.write(f"{os.getpid()}\n")
    sys.stdout.flush()
    server.serve_forever()


def main(url: str, root: str, port: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the killed
    for _ in sys.stdin:
        if os.fork() == 0:
            serve(url, root, int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
