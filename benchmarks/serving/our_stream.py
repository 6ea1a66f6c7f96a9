"""Our stream: how it is started, and events for it."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.serving.processes import Running, start

PATH = "/events/payments_v1"
HEADERS = {"Content-Type": "application/x-ndjson"}
READY = "/healthz"
ACCOUNTS = 1000
BATCH = 20


@dataclass(frozen=True, slots=True)
class Events:
    """Events that are sent together, whose numbers nobody else has.

    Attributes:
        amounts: by account: what each event adds to the window of its account.
    """

    body: bytes
    numbers: range
    amounts: Sequence[tuple[int, float]]


def events(first: int = 0, seed: int = 0) -> Iterator[Events]:
    """Events without end, in batches; each is a payment of the last minute."""
    chance = random.Random(seed)
    while True:
        numbers = range(first, first + BATCH)
        rows = [_payment(number, chance) for number in numbers]
        body = b"\n".join(json.dumps(row).encode() for row in rows) + b"\n"
        yield Events(body, numbers, [(row["account_id"], row["amount"]) for row in rows])
        first += BATCH


def start_stream(home: Path, port: int, log: Path, *, land_every: float) -> Running:
    """Starts it on stores below a folder; the caller must `end` it."""
    program = Path(sys.executable).with_name("fti")
    command = (program, "stream", "benchmarks.serving.payments", "--port", port, "--land-every", land_every)
    environment = {"FTI_DATA_DIR": str(home), "FTI_ONLINE_STORE": str(home / "online")}
    return start(command, port, ready=READY, environment=environment, log=log)


def _payment(number: int, chance: random.Random) -> dict[str, Any]:
    paid_at = datetime.fromtimestamp(time.time() - chance.uniform(0, 60), UTC)
    amount = round(chance.uniform(1, 500), 2)
    return {
        "payment_id": number,
        "paid_at": paid_at.isoformat(),
        "account_id": chance.randrange(ACCOUNTS),
        "amount": amount,
        "shop": f"shop-{number % 50}",
    }
