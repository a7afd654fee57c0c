"""Later passes of the language model as one recorded CUDA graph.

A pass over a few tokens launches some six hundred small kernels, and launching takes longer than
running them: a 13B model reads its weights in 7 ms, the launches alone take 15 to 20. A recorded
graph is launched at once. It needs every tensor to stay where it is, so keys and values have fixed
places, and a pass always reads the same number of rows.
"""

import logging
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LlamaModel

LOG = logging.getLogger(__name__)

ROWS = 16
"""Rows a recorded pass reads: the last known token and what is drafted after it. Up to this many
cost what one costs, because the weights are read once."""

_COLUMNS_STEP = 128
"""Caches are made this much longer at a time, so that prompts of about one length share one."""

_WARM_UP = 3


class FixedCache:
    """Keys and values of one sequence, each position in a column of its own.

    Stands in for a `transformers` cache: attention layers call `update` and get all columns; the
    mask says which of them hold something.
    """

    def __init__(self, layers: int, heads: int, columns: int, size: int, like: Tensor) -> None:
        """Make room for `columns` positions of `heads` keys and values of `size` numbers."""
        shape = (1, heads, columns, size)
        self.keys = [like.new_zeros(shape) for _ in range(layers)]
        self.values = [like.new_zeros(shape) for _ in range(layers)]
        self.columns = columns
        self.written = torch.zeros(ROWS, dtype=torch.long, device=like.device)
        """Columns that the pass under way writes, `[row]`."""

    def update(
        self, keys: Tensor, values: Tensor, layer_idx: int, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        """Write keys and values `[1, head, row, size]`; return those of all columns."""
        mine = self.keys[layer_idx], self.values[layer_idx]
        for kept, fresh in zip(mine, (keys, values), strict=True):
            kept.index_copy_(2, self.written, fresh)
        return mine

    def mask(self, positions: Tensor, like: Tensor) -> Tensor:
        """Return what is added to attention `[1, 1, row, column]`: nothing up to a row's own."""
        columns = torch.arange(self.columns, device=positions.device)
        hidden = columns[None] > positions[:, None]
        return like.new_zeros(hidden.shape).masked_fill(hidden, torch.finfo(like.dtype).min)[
            None, None
        ]


class GraphedPasses:
    """Reads one sequence: the prompt as usual, what follows by a recorded graph."""

    def __init__(self, model: LlamaModel, columns: int) -> None:
        """Record the graph of a pass.

        Args:
            model: `transformers`' Llama without its output layer, on one device; on a CPU nothing
                is recorded and passes run one by one.
            columns: most positions of a sequence, `ROWS` drafted ones included.

        Raises:
            RuntimeError: CUDA refuses to record it.
        """
        self.model = model
        config, like = model.config, next(model.parameters()).detach()
        size = config.hidden_size // config.num_attention_heads
        with torch.inference_mode(False), torch.no_grad():  # also usable outside inference mode
            self.cache = FixedCache(
                config.num_hidden_layers, config.num_key_value_heads, columns, size, like
            )
            self._rows = like.new_zeros(1, ROWS, config.hidden_size)
            self._positions = torch.arange(ROWS, device=like.device)
            self._state = self._rows
            self._graph = self._record(like.device) if like.is_cuda else None

    def read(self, rows: Tensor, start: int) -> Tensor:
        """Read rows `[1, row, hidden]` that stand at positions from `start` on.

        What was read at those positions and after them before is forgotten.

        Returns:
            States `[1, row, hidden]` after the final norm.
        """
        count = rows.shape[1]
        if count > ROWS:
            return self._pass(rows, torch.arange(start, start + count, device=rows.device))
        self._rows[:, :count] = rows
        torch.arange(start, start + ROWS, out=self._positions)
        if self._graph is None:
            self._state = self._pass(self._rows, self._positions)
        else:
            self._graph.replay()
        return self._state[:, :count].clone()

    def _record(self, device: torch.device) -> torch.cuda.CUDAGraph:
        graph, side = torch.cuda.CUDAGraph(), torch.cuda.Stream(device)
        here = torch.cuda.current_stream(device)
        side.wait_stream(here)
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP):
                self._pass(self._rows, self._positions)
        here.wait_stream(side)
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._state = self._pass(self._rows, self._positions)
        return graph

    def _pass(self, rows: Tensor, positions: Tensor) -> Tensor:
        self.cache.written = positions
        return self.model(
            inputs_embeds=rows,
            attention_mask=self.cache.mask(positions, rows),
            position_ids=positions[None],
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state


class GraphStore:
    """The recorded graph of a model, made anew when a longer sequence comes or weights move."""

    def __init__(self, device_type: str = "cuda") -> None:
        self._device_type = device_type
        self._recorded: GraphedPasses | None = None
        self._weights: list[int] = []
        self._refused = False

    def passes(self, model: LlamaModel, positions: int) -> GraphedPasses | None:
        """Return what reads a sequence of so many positions; None where graphs are of no use.

        They need one CUDA device and plain weights; anything else decodes as usual.
        """
        if self._refused or not _plain(list(model.parameters()), self._device_type):
            return None
        columns = -(-(positions + ROWS) // _COLUMNS_STEP) * _COLUMNS_STEP
        weights = [p.data_ptr() for p in model.parameters()]
        known = self._recorded
        if known is not None and known.cache.columns >= columns and weights == self._weights:
            return known
        self._recorded = None  # frees its memory first
        try:
            self._recorded, self._weights = GraphedPasses(model, columns), weights
        except RuntimeError as error:
            self._refused = True
            LOG.warning("decoding without CUDA graphs, which is slower: %s", error)
        return self._recorded


def _plain(parameters: Sequence[Tensor], device_type: str) -> bool:
    """Whether weights are floats on one such device: not quantised, not spread."""
    devices = {p.device for p in parameters}
    return {device.type for device in devices} == {device_type} and (
        len(devices) == 1 and all(p.is_floating_point() for p in parameters)
    )
