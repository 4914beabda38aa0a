#!/usr/bin/env bash
# fsspec: a range request returns the whole file if the HTTP server does not support ranges.
#
# Versions: fsspec 2026.9.0, aiohttp 3.14.5.
# Guess: cat_file(url, start, end) and cat_ranges return end - start bytes or raise, as seek and read on
#   the opened file do ("doesn't appear to support range requests").
# Seen: both return all 10,240 bytes for a range of 5, without an error: a status of 200 instead of 206
#   is not checked. `head` truncates to the right length; `tail`, `read_block` and `open` raise.
# Matters: code that reads Parquet footers or tar members by range gets the wrong bytes; check lengths.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet fsspec==2026.9.0 aiohttp==3.14.5
"$folder/venv/bin/python" - <<'PY'
import http.server
import threading

import fsspec

DATA = bytes(range(256)) * 40


class WithoutRanges(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        self.wfile.write(DATA)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), WithoutRanges)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/data"
fs = fsspec.filesystem("http")
one = fs.cat_file(url, start=5, end=10)
many = fs.cat_ranges([url, url], [5, 7], [10, 9])
print("cat_file of 5 bytes:", len(one), "cat_ranges of 5 and 2 bytes:", [len(part) for part in many])
assert one == DATA and many == [DATA, DATA]
try:
    with fs.open(url) as file:
        file.seek(5)
        file.read(5)
except ValueError as error:
    print("open:", error)
else:
    raise AssertionError("reading a range of the opened file works")
server.shutdown()
PY
