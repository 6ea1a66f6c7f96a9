"""Care of the lake: maintenance, verification, repair, backup."""
