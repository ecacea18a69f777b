"""Memory of neargate's router and of nginx before, during and after 40 HTTP/2 connections that
ask 128 times each for 300 KB and take nothing, in one run.

`zero`: the client's windows are 0. `one`: they are 1 byte. `wire`: they are without bound, and
the client does not read its socket. `upload`: the client sends bodies that the target does not
read. Files are served by the program itself, the rest by a target behind it.
Promise: within 20 MB of before, five seconds after the connections have closed.
"""

import json
import os
import pathlib
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROUTER = sys.argv[1]
CONNECTIONS = int(os.environ.get("CONNECTIONS", "40"))
STREAMS = 128
SIZE = 300_000
TARGET = 18310
DEAF = 18311
PORTS = {"neargate": 18312, "nginx": 18313}
SETTLED = 5
PROMISE = 20 * 1024


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def head(method, path):
    return (literal(b":method", method) + literal(b":scheme", b"http")
            + literal(b":authority", b"a.test") + literal(b":path", path))


def attack(port, kind, path):
    """Opens the connections and leaves them."""
    window = {"zero": 0, "one": 1}.get(kind, 1 << 30)
    opened = []
    for _ in range(CONNECTIONS):
        wire = socket.create_connection(("127.0.0.1", port))
        wire.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, struct.pack(">HI", 4, window)) + frame(4, 1, 0)
                     + frame(8, 0, 0, struct.pack(">I", 1 << 30)))
        opened.append(wire)
        ids = range(1, 2 * STREAMS, 2)
        if kind == "upload":
            wire.sendall(b"".join(frame(1, 4, i, head(b"POST", path)) for i in ids))
            # As much as the server's first windows allow, in turn.
            wire.sendall(b"".join(frame(0, 0, i, b"x" * 500) for i in ids))
        else:
            wire.sendall(b"".join(frame(1, 5, i, head(b"GET", path)) for i in ids))
    return opened


def family(pid):
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def resident(pid):
    total = 0
    for one in family(pid):
        for line in pathlib.Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def standstill(pid):
    """The memory once it no longer grows."""
    highest = last = resident(pid)
    since = begun = time.time()
    while time.time() - since < 2 and time.time() - begun < 20:
        time.sleep(0.2)
        now = resident(pid)
        if abs(now - last) > 256:
            last, since = now, time.time()
        highest = max(highest, now)
    return highest


def nginx(folder, name, body):
    path = folder / f"{name}.conf"
    path.write_text(f"""
daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log {folder}/{name}.err;
worker_rlimit_nofile 60000; events {{ worker_connections 16384; }}
http {{ client_body_temp_path {folder}/{name}-b; proxy_temp_path {folder}/{name}-p; access_log off;
  fastcgi_temp_path {folder}/{name}-f; uwsgi_temp_path {folder}/{name}-u; scgi_temp_path {folder}/{name}-s;
  {body} }}
""")
    command = ["nginx", "-e", f"{folder}/{name}.err", "-c", str(path)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def start_nginx(folder):
    return nginx(folder, "nginx", f"""server {{ listen 127.0.0.1:{PORTS['nginx']} http2;
      location /file {{ root {folder}/site; }}
      location /deaf {{ proxy_pass http://127.0.0.1:{DEAF}; proxy_http_version 1.1; proxy_request_buffering off; }}
      location / {{ proxy_pass http://127.0.0.1:{TARGET}; proxy_http_version 1.1; }} }}"""), None


def route(priority, path):
    return {"priority": priority, "host": [], "path": path, "method": [], "header": {}, "query": [], "source": []}


def group(port):
    target = {"task": f"t{port}", "revision": 1, "address": f"127.0.0.1:{port}", "admission": "admitted", "health": "healthy"}
    return {"service": "s", "balance": "round-robin", "health": None, "slow_start": "0s", "sticky": None,
            "idle_timeout": "60s", "targets": [target]}


def start_neargate(folder):
    listener = socket.create_server(("127.0.0.1", PORTS["neargate"]), backlog=1024)
    control = folder / "control"
    command = [ROUTER, str(control), str(folder / "neargate.log"), f"edge={listener.fileno()}"]
    process = subprocess.Popen(command, pass_fds=[listener.fileno()], env={"WORKERS": "1"})
    engine = socket.socket(socket.AF_UNIX)
    deadline = time.time() + 10
    while engine.connect_ex(str(control)):
        if time.time() > deadline:
            raise SystemExit("the router does not start")
        time.sleep(0.01)
    site = {"service": "web", "revision": 1, "directory": f"{folder}/site",
            "site": {"root": "", "index": "index.html", "fallback": None, "not_found": None, "cache": [], "keep": "0s"},
            "earlier": []}
    rules = [{"route": route(1, ["/file/*"]), "action": {"static": site}},
             {"route": route(2, ["/deaf"]), "action": {"forward": [{"group": "deaf", "weight": 1}]}},
             {"route": route(3, []), "action": {"forward": [{"group": "target", "weight": 1}]}}]
    table = {"version": 1, "expose": False, "listeners": {"edge": {"rules": rules}},
             "groups": {"target": group(TARGET), "deaf": group(DEAF)}}
    engine.sendall(json.dumps({"type": "publish", "table": table}).encode() + b"\n")
    lines = engine.makefile()
    while json.loads(lines.readline())["type"] != "published":
        pass
    listener.close()
    return process, engine


def deaf(server):
    """A target that accepts, and reads nothing."""
    taken = []
    while True:
        try:
            taken.append(server.accept())
        except OSError:
            return


def measure(name, start, folder, kind, path):
    process, line = start(folder)
    try:
        time.sleep(1)
        for wire in attack_one(PORTS[name], path):
            wire.close()
        before = resident(process.pid)
        opened = attack(PORTS[name], kind, path)
        during = standstill(process.pid)
        for wire in opened:
            wire.close()
        time.sleep(SETTLED)
        return before, during, resident(process.pid)
    finally:
        if line:
            line.close()
        process.terminate()
        process.wait()


def attack_one(port, path):
    wire = socket.create_connection(("127.0.0.1", port))
    wire.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(4, 1, 0) + frame(1, 5, 1, head(b"GET", b"/file/big.bin")))
    wire.settimeout(2)
    wire.recv(65536)
    return [wire]


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    starts = {"neargate": start_neargate, "nginx": start_nginx}
    kinds = [("zero", b"/file/big.bin"), ("one", b"/file/big.bin"), ("wire", b"/file/big.bin"),
             ("zero", b"/big.bin"), ("one", b"/big.bin"), ("wire", b"/big.bin"), ("upload", b"/deaf")]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        (folder / "site" / "file").mkdir(parents=True)
        for place in ("site/file/big.bin", "site/big.bin"):
            (folder / place).write_bytes(os.urandom(SIZE))
        target = nginx(folder, "target", f"server {{ listen 127.0.0.1:{TARGET} backlog=8192; root {folder}/site; }}")
        server = socket.create_server(("127.0.0.1", DEAF), backlog=8192)
        threading.Thread(target=deaf, args=(server,), daemon=True).start()
        try:
            print(f"{CONNECTIONS} connections x {STREAMS} streams, KB: before / during / after {SETTLED} s")
            for kind, path in kinds:
                found = {name: measure(name, start, folder, kind, path) for name, start in starts.items()}
                grown = {name: during - before for name, (before, during, _) in found.items()}
                ours, theirs = found["neargate"], found["nginx"]
                left = ours[2] - ours[0]
                verdict = "wins" if grown["neargate"] <= grown["nginx"] else "LOSES"
                kept = "kept" if left <= PROMISE else "BROKEN"
                shown = path.decode()
                print(f"{kind:7}{shown:15} neargate {' / '.join(map(str, ours)):25} nginx {' / '.join(map(str, theirs)):25} "
                      f"neargate {verdict} ({grown['neargate']} to {grown['nginx']} KB more); {left} KB left (promise {PROMISE}: {kept})")
        finally:
            server.close()
            target.terminate()
            target.wait()


main()
