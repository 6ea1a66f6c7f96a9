"""Data on which trees split by sets of categories."""

import pyarrow as pa

from fti_assets_tests.training.examples import make_rows, write_dataset


def write_carriers(folder, carriers):
    """A dataset in which lateness goes by sets of carriers; one of ten delays is missing."""
    splits = {name: make_rows(3000, seed, carriers=carriers) for seed, name in enumerate(("train", "validation", "test"))}
    for name, rows in splits.items():
        late = [
            (value or 0) % 2 == (int(carrier[1:]) % 3 == 0 if carrier else 0)
            for value, carrier in zip(rows["hour"].to_pylist(), rows["carrier"].to_pylist(), strict=True)
        ]
        splits[name] = rows.set_column(rows.column_names.index("late"), "late", pa.array(late))
    return write_dataset(folder, splits)
