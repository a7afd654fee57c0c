"""Tables for people, in plain text."""

from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]], indent: str = "  ", numbers: bool = False) -> str:
    """Lay out rows in columns; numbers are the caller's to format.

    Args:
        rows: of cells, equally many in each.
        indent: what every line begins with.
        numbers: align all columns but the first on the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.rjust(width) if numbers and column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return (indent + "  ".join(cells)).rstrip()

    return "\n".join(map(line, rows))
