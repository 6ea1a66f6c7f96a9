"""Events by HTTP into the online store and the lake: `python -m benchmarks.streaming`, on a folder of its own.

A server, a sender and a reader, each a process of its own on this machine. Events happen at a steady pace; the sender has a
connection for each airport, and sends what has happened as soon as what was before is acknowledged. The reader asks again and again
for the features of each airport, as a prediction would. An event is readable when the count of departures says so: from when it
happened until then is its time.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_left
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from urllib.request import urlopen

from rich.console import Console
from rich.table import Table as Shown

from fti_assets.online_store import OnlineStore
from fti_assets.online_store.keys import microseconds
from fti_assets.online_store.windows import Windows
from fti_assets.systems.flights.contracts import FLIGHT_DELAY, FLIGHT_DEPARTURES
from fti_assets.systems.flights.staged import ORIGINS
from fti_assets.vocabulary import WindowedSelection

ROOT = Path(__file__).parents[1]
BEGIN = datetime(2013, 6, 1, 12, tzinfo=UTC)
GROUP = FLIGHT_DEPARTURES.versioned_name
MOST = 500
"""Events of one request."""


def main() -> None:
    asked = arguments()
    if asked.send:
        asked.send.write_text(json.dumps(send(asked.port, asked.rate, asked.seconds)))
        return
    with tempfile.TemporaryDirectory(prefix="fti-streaming-") as name:
        port = free_port()
        server = started(Path(name), port, asked.land_every)
        try:
            wait_for(port)
            idle = cpu_seconds(server.pid)
            polls, sent = watched(Path(name), port, asked)
            metrics, cpu = read_metrics(port), cpu_seconds(server.pid) - idle
        finally:
            server.terminate()
            server.wait()
    show(polls, sent, metrics, cpu)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=2000, help="events a second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--land-every", type=float, default=5, help="seconds between two landings")
    parser.add_argument("--send", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def started(folder: Path, port: int, land_every: float) -> subprocess.Popen:
    command = [sys.executable, "-m", "fti_assets.cli", "stream", "flights", "--port", str(port), "--land-every", str(land_every)]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | {"FTI_DATA_DIR": str(folder), "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError("The server did not start.")


def watched(folder: Path, port: int, asked: argparse.Namespace) -> tuple[list, dict]:
    """What the reader saw, as times and counts by airport; and what the sender tells."""
    (selection,) = (one for one in FLIGHT_DELAY.joined if isinstance(one, WindowedSelection))
    windows = Windows(FLIGHT_DEPARTURES, selection.by, selection.aggregates)
    place = [one.name for one in selection.aggregates].index("origin_departures_3h")
    told = folder / "sent.json"
    options = {"send": told, "port": port, "rate": asked.rate, "seconds": asked.seconds}
    command = [sys.executable, "-m", "benchmarks.streaming", *(f"--{name}={value}" for name, value in options.items())]
    sender = subprocess.Popen(command, cwd=ROOT)
    polls, keys = [], [((origin,), microseconds(BEGIN + timedelta(hours=1))) for origin in ORIGINS]
    with OnlineStore(folder / "online") as online:
        while sender.poll() is None:
            with online.reading() as reader:
                found = windows.find(reader, keys)
            polls.append((time.monotonic(), [one.values[place] for one in found]))
            time.sleep(0.001)
    return polls, json.loads(told.read_text())


def send(port: int, rate: int, seconds: float) -> dict:
    """Sends for some seconds. Returns for each airport when it began, and when which request was sent and answered."""
    sent: dict[str, dict] = {}
    threads = [threading.Thread(target=send_of, args=(port, origin, rate / len(ORIGINS), seconds, sent)) for origin in ORIGINS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sent


def send_of(port: int, origin: str, rate: float, seconds: float, sent: dict) -> None:
    """Sends the events of one airport: those that have happened by now, as soon as those of before are acknowledged."""
    begun, done, requests = time.monotonic(), 0, []
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        while done < rate * seconds and time.monotonic() < begun + 3 * seconds:
            count = min(int((time.monotonic() - begun) * rate) - done, MOST)
            if count < 1:
                time.sleep(0.5 / rate)
                continue
            body = b"\n".join(event(origin, done + n) for n in range(count))
            before = time.monotonic()
            connection.request("POST", f"/events/{GROUP}", body, {"Content-Type": "application/x-ndjson"})
            answer = json.loads(connection.getresponse().read())
            assert answer["accepted"] == count, answer
            requests.append((before, time.monotonic(), count))
            done += count
    sent[origin] = {"begun": begun, "rate": rate, "requests": requests}


def event(origin: str, number: int) -> bytes:
    at = BEGIN + timedelta(milliseconds=number)
    said = {
        "carrier": "UA",
        "flight_number": number,
        "origin": origin,
        "scheduled_departure": BEGIN.isoformat(),
        "known_at": at.isoformat(),
        "departure_delay_minutes": number % 60 - 5.0,
    }
    return json.dumps(said).encode()


def read_metrics(port: int) -> dict[str, float]:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def seconds_until_readable(polls: list, sent: dict) -> list[float]:
    """For each event from when it happened, which is before it was sent, until it was seen."""
    times, found = [at for at, _ in polls], []
    for place, origin in enumerate(ORIGINS):
        counts, of = [count[place] or 0 for _, count in polls], sent[origin]
        for number in range(1, 1 + sum(count for _, _, count in of["requests"])):
            seen = bisect_left(counts, number)
            found += [times[seen] - of["begun"] - number / of["rate"]] if seen < len(times) else []
    return found


def quantiles(seconds: list[float]) -> list[str]:
    ordered = sorted(seconds)
    return [f"{1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)]:.1f}" for share in (0.5, 0.9, 0.99, 1)]


def show(polls: list, sent: dict, metrics: dict[str, float], cpu: float) -> None:
    readable = seconds_until_readable(polls, sent)
    requests = [request for of in sent.values() for request in of["requests"]]
    events = sum(count for _, _, count in requests)
    seconds = max(end for _, end, _ in requests) - min(begin for begin, _, _ in requests)
    title = f"{events / seconds:,.0f} events/s for {seconds:.0f} s, {events / len(requests):.1f} a request"
    table = Shown("milliseconds", "p50", "p90", "p99", "longest", title=title)
    table.add_row("event to readable", *quantiles(readable))
    table.add_row("request to answer", *quantiles([end - begin for begin, end, _ in requests]))
    Console().print(table)
    commits = metrics["fti_stream_commit_seconds_count"]
    each = 1000 * metrics["fti_stream_commit_seconds_sum"] / commits
    print(f"{commits:,.0f} transactions of {events / commits:.1f} events and {each:.1f} ms each")
    landings, landed, spent = (
        metrics.get(f'fti_stream_{name}{{group="{GROUP}"}}', 0)
        for name in ("landing_seconds_count", "landed_total", "landing_seconds_sum")
    )
    print(f"{landings:,.0f} landings of {landed / max(landings, 1):,.0f} events and {spent / max(landings, 1):.2f} s each")
    print(f"{len(readable):,} of {events:,} events were seen by {len(polls):,} looks")
    print(f"The server used {cpu:.1f} s of CPU, {1e6 * cpu / events:.0f} microseconds for each event")


if __name__ == "__main__":
    main()
