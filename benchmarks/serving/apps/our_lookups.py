"""Times our lookups in this process and prints a line of JSON. The arguments: address of the online store, folder of the data."""

import json
import sys
import time
from pathlib import Path

from benchmarks.serving.apps.timing import pin, timings
from benchmarks.serving.contracts import VIEW
from fti_assets.online_store import OnlineStore

if __name__ == "__main__":
    pin()
    address, data = sys.argv[1], Path(sys.argv[2])
    view = OnlineStore(address).view(VIEW)
    requests = json.loads((data / "requests.json").read_text())
    asked = {int(rows): [[{"account_id": one} for one in accounts] for accounts in found] for rows, found in requests.items()}

    def look_up(rows: list[dict[str, int]]) -> object:
        return view.find(rows, [time.time_ns() // 1000] * len(rows))

    print(json.dumps(timings(asked, look_up)))
