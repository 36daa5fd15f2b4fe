"""What can be wrong with data, and the columns that they may have."""

COLUMNS = ("prompt", "target", "strategy", "split", "weight")


class DataError(ValueError):
    """What is wrong with data, with the file and the line."""
