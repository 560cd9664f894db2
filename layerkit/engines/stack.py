"""What one call of JAX's loop takes of the data."""

from __future__ import annotations

from dataclasses import dataclass

from layerkit.data.batches import Batch, Picked, Rows
from layerkit.ops import Array


@dataclass(frozen=True)
class Stack:
    """Some steps' batches, until another stack is made. A step goes over the first of its rows: `size` of them.

    Step i takes its rows from rows[places[i]] or, where places[i] are the numbers of rows in a table, it takes these.
    """

    rows: Rows
    """On the devices. The weights of a stack, if there are any, are those by which a step sums its rows' losses; those
    of a table are what each row counts.
    """
    places: Array
    batches: list[Batch]
    """One for each step."""
    size: int
    is_last: Array | None = None
    """Whether a step goes over `last` rows, for its batch ends an epoch; None where none can."""
    last: int = 0

    @property
    def examples(self) -> list[Array]:
        """x of some rows, for each number of rows that a step may go over."""
        batch = self.batches[0]
        x = batch.table.x if isinstance(batch, Picked) else batch.x
        return [x[:size] for size in (self.size, self.last) if size]
