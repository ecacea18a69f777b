"""CPU per request of neargate's router beside nginx and HAProxy, in one run.

Each proxy has one worker on core 0 and writes its access log; backend and load are on core 1.
Rounds are interleaved, so that a noisy machine is noisy for all. Promise: at most 0.9 x the
better of the two.
"""

import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = int(os.environ.get("SECONDS_EACH", "4"))
ROUTER = sys.argv[1]
BACKEND = 18300
PORTS = {"neargate": 18301, "nginx": 18302, "haproxy": 18303}
TICK = os.sysconf("SC_CLK_TCK")


def nginx_config(folder, name, server, extra=""):
    path = folder / f"{name}.conf"
    path.write_text(f"""
daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log {folder}/{name}.err;
events {{ worker_connections 4096; }}
http {{ client_body_temp_path {folder}/{name}-b; proxy_temp_path {folder}/{name}-p;
  fastcgi_temp_path {folder}/{name}-f; uwsgi_temp_path {folder}/{name}-u; scgi_temp_path {folder}/{name}-s;
  keepalive_requests 100000000; {extra} {server} }}
""")
    return ["nginx", "-e", f"{folder}/{name}.err", "-c", str(path)]


def haproxy_config(folder):
    path = folder / "haproxy.cfg"
    path.write_text(f"""
global
  nbthread 1
  log stdout format raw local0
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  option httplog
  option forwardfor
  log global
frontend f
  bind 127.0.0.1:{PORTS['haproxy']}
  default_backend b
backend b
  http-reuse always
  server s 127.0.0.1:{BACKEND}
""")
    return ["haproxy", "-f", str(path)]


def pinned(core, command, **more):
    return subprocess.Popen(["taskset", "-c", str(core), *command], **more)


def start_neargate(folder):
    listener = socket.create_server(("127.0.0.1", PORTS["neargate"]), backlog=1024)
    control = folder / "control"
    command = [ROUTER, str(control), str(folder / "neargate.log"), f"edge={listener.fileno()}"]
    process = pinned(0, command, pass_fds=[listener.fileno()], env={"WORKERS": "1"})
    engine = socket.socket(socket.AF_UNIX)
    deadline = time.time() + 10
    while True:
        try:
            engine.connect(str(control))
            break
        except OSError:
            if time.time() > deadline:
                raise
            time.sleep(0.01)
    route = {"priority": 1, "host": [], "path": [], "method": [], "header": {}, "query": [], "source": []}
    target = {"task": "t", "revision": 1, "address": f"127.0.0.1:{BACKEND}", "admission": "admitted", "health": "healthy"}
    group = {"service": "s", "balance": "round-robin", "health": None, "slow_start": "0s", "sticky": None,
             "idle_timeout": "60s", "targets": [target]}
    rule = {"route": route, "action": {"forward": [{"group": "g", "weight": 1}]}}
    table = {"version": 1, "expose": False, "listeners": {"edge": {"rules": [rule]}}, "groups": {"g": group}}
    engine.sendall(json.dumps({"type": "publish", "table": table}).encode() + b"\n")
    lines = engine.makefile()
    while json.loads(lines.readline())["type"] != "published":
        pass
    return process, engine


def family(pid):
    """The process and its children (nginx's worker)."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def ticks(pid):
    total = 0
    for one in family(pid):
        fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(") ", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total


def resident(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))


def load(name):
    out = subprocess.run(
        ["taskset", "-c", "1", "wrk", "-t1", "-c64", f"-d{SECONDS}s", f"http://127.0.0.1:{PORTS[name]}/"],
        capture_output=True, text=True, check=True).stdout
    bad = re.search(r"Non-2xx.*|Socket errors.*", out)
    if bad:
        raise SystemExit(f"{name}: {bad.group(0)}")
    return int(re.search(r"(\d+) requests in", out).group(1))


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        body = "x" * 1024
        backend = nginx_config(folder, "backend", f'access_log off; server {{ listen 127.0.0.1:{BACKEND}; return 200 "{body}"; }}')
        upstream = f"upstream u {{ server 127.0.0.1:{BACKEND}; keepalive 128; keepalive_requests 100000000; }}"
        proxy = nginx_config(folder, "nginx", f"""access_log {folder}/nginx.log; server {{ listen 127.0.0.1:{PORTS['nginx']};
          location / {{ proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection "";
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }}""", upstream)
        log = open(folder / "haproxy.log", "wb")
        processes = {"backend": pinned(1, backend, **quiet), "nginx": pinned(0, proxy, **quiet),
                     "haproxy": pinned(0, haproxy_config(folder), stdout=log, stderr=subprocess.DEVNULL)}
        processes["neargate"], engine = start_neargate(folder)
        try:
            time.sleep(1)
            print(f"neargate idle: {resident(processes['neargate'].pid)} KB")
            cost = {name: [] for name in PORTS}
            for _ in range(ROUNDS):
                for name in PORTS:
                    before = ticks(processes[name].pid)
                    requests = load(name)
                    cost[name].append((ticks(processes[name].pid) - before) / TICK * 1e6 / requests)
            medians = {name: statistics.median(values) for name, values in cost.items()}
            for name, values in cost.items():
                print(f"{name}: {medians[name]:.1f} us/request ({min(values):.1f} to {max(values):.1f})")
            ratio = medians["neargate"] / min(medians["nginx"], medians["haproxy"])
            print(f"neargate / better of the two: {ratio:.2f} (promise: at most 0.90)")
        finally:
            engine.close()
            for process in processes.values():
                process.terminate()
            for process in processes.values():
                process.wait()


main()
