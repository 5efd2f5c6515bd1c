"""A small web application for the tests: notes, kept as files in a folder.

    GET    /               a page that lists the notes
    GET    /health         "ok"
    GET    /notes          the names, as JSON
    POST   /notes/NAME     writes a note
    GET    /notes/NAME     reads it
    DELETE /notes/NAME     removes it
    GET    /digest/NAME    its SHA-256
    GET    /archive        all notes as a compressed tar, made in a temporary file

It also has the holes that applications have; nothing but an attacker's
request uses them:

    GET    /debug/run?program=/bin/sh     starts a program
    GET    /debug/connect?to=HOST:PORT    opens a TCP connection
    GET    /debug/read?path=/etc/passwd   reads any file
    GET    /debug/write?path=/etc/x       writes any file
"""

import hashlib
import html
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

DATA = Path(os.environ.get("DATA", "/data"))
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
LARGEST = 1 << 20


class Refused(Exception):
    """A request that cannot be served; the status code and the reason."""

    def __init__(self, status, reason):
        super().__init__(reason)
        self.status = status


def note(name):
    """Returns the path of a note; its name cannot leave the folder."""
    if not NAME.match(name) or name.startswith("."):
        raise Refused(400, "a note's name is letters, digits, dots and dashes")
    return DATA / name


def names():
    return sorted(p.name for p in DATA.iterdir() if p.is_file() and not p.name.startswith("."))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.serve()

    do_POST = do_DELETE = do_GET

    def serve(self):
        url = urlsplit(self.path)
        parts = [p for p in url.path.split("/") if p]
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        try:
            status, kind, body = self.route(parts, query)
        except Refused as e:
            status, kind, body = e.status, "text/plain", f"{e}\n".encode()
        except FileNotFoundError:
            status, kind, body = 404, "text/plain", b"no such note\n"
        except OSError as e:
            status, kind, body = 500, "text/plain", f"{e}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def route(self, parts, query):
        match self.command, parts:
            case "GET", []:
                items = "".join(f"<li>{html.escape(n)}" for n in names())
                return 200, "text/html", f"<!doctype html><title>Notes</title><ul>{items}</ul>\n".encode()
            case "GET", ["health"]:
                return 200, "text/plain", b"ok\n"
            case "GET", ["notes"]:
                return 200, "application/json", json.dumps(names()).encode()
            case "GET", ["notes", name]:
                return 200, "application/octet-stream", note(name).read_bytes()
            case "POST", ["notes", name]:
                self.write(note(name))
                return 201, "text/plain", b"written\n"
            case "DELETE", ["notes", name]:
                note(name).unlink()
                return 200, "text/plain", b"removed\n"
            case "GET", ["digest", name]:
                return 200, "text/plain", (hashlib.sha256(note(name).read_bytes()).hexdigest() + "\n").encode()
            case "GET", ["archive"]:
                return 200, "application/gzip", archive()
            case "GET", ["debug", hole]:
                return 200, "text/plain", debug(hole, query)
        raise Refused(404, "no such page")

    def write(self, path):
        """Writes the request's body so that a reader sees all of it or none."""
        size = int(self.headers.get("Content-Length", "0"))
        if not 0 <= size <= LARGEST:
            raise Refused(413, "too large")
        body = self.rfile.read(size)
        with tempfile.NamedTemporaryFile(dir=DATA, prefix=".", delete=False) as f:
            f.write(body)
            f.flush()
            os.fsync(f.fileno())
        os.replace(f.name, path)


def archive():
    with tempfile.TemporaryFile() as f:
        with tarfile.open(fileobj=f, mode="w:gz") as tar:
            for name in names():
                tar.add(DATA / name, arcname=name)
        f.seek(0)
        return f.read()


def debug(hole, query):
    match hole:
        case "run":
            done = subprocess.run([query["program"], *query.get("args", "").split()], capture_output=True, timeout=10)
            return done.stdout + done.stderr
        case "connect":
            host, _, port = query["to"].rpartition(":")
            socket.create_connection((host, int(port)), timeout=5).close()
            return b"connected\n"
        case "read":
            return Path(query["path"]).read_bytes()
        case "write":
            Path(query["path"]).write_text("written by a request\n")
            return b"written\n"
    raise Refused(404, "no such page")


def main():
    port = int(os.environ.get("PORT", "8000"))
    server = ThreadingHTTPServer(("", port), Handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"serving {DATA} on port {port}, {shutil.disk_usage(DATA).free >> 20} MiB free", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
