"""Small groups that are read online, and literal rows of them."""

from dataclasses import replace

import pyarrow as pa

from fti_assets.online_store.keys import microseconds
from fti_assets_tests.feature_store.examples import ARROW, HOUR, T0, make_group

WEATHER = replace(make_group("weather", ("temp", "wind")), online=True)


def table_of(group, *rows, **more):
    """Rows of a group in the order of its columns, with more columns of times: `_published_at=[...]`."""
    columns = {c.name: pa.array([row[n] for row in rows], ARROW[c.type]) for n, c in enumerate(group.table.columns)}
    times = {name: pa.array(values, ARROW["timestamp"]) for name, values in more.items()}
    return pa.table(columns | times)


def at(hours=0.0):
    return T0 + hours * HOUR


def us(hours=0.0):
    return microseconds(at(hours))
