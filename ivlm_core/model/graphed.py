"""Passes of the language model over one sequence as recorded CUDA graphs.

A pass over a few tokens launches some fifteen hundred small kernels, and launching takes longer
than running them: a 13B model reads its weights in 6 ms, the launches alone take 20 and more. A
recorded graph is launched at once. It needs every tensor to stay where it is, so keys and values
have fixed places, and a pass reads a number of rows that is a multiple of `ROWS`.
"""

import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaModel

LOG = logging.getLogger(__name__)

ROWS = 64
"""Rows that a pass reads at least: the last known token and what is drafted after it. Reading the
weights takes as long for this many rows as for one."""

_COLUMNS_STEP = 128
"""Caches are made this much longer at a time, so that prompts of about one length share one."""

_WARM_UP = 3


class FixedCache:
    """Keys and values of one sequence, each position in a column of its own.

    Stands in for a `transformers` cache: attention layers call `update` and get all columns; the
    mask says which of them a row sees.
    """

    def __init__(self, layers: int, heads: int, columns: int, size: int, like: Tensor) -> None:
        """Make room for `columns` positions of `heads` keys and values of `size` numbers."""
        self.kept = like.new_zeros(layers, 2, 1, heads, columns, size)
        self.columns = columns
        self.written = torch.zeros(0, dtype=torch.long, device=like.device)
        """Columns that the pass under way writes, `[row]`."""

    def update(
        self, keys: Tensor, values: Tensor, layer_idx: int, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        """Write keys and values `[1, head, row, size]`; return those of all columns."""
        mine = self.kept[layer_idx]
        mine[0].index_copy_(2, self.written, keys)
        mine[1].index_copy_(2, self.written, values)
        return mine[0], mine[1]

    def move(self, sources: Tensor, start: int) -> None:
        """Bring the columns `sources` to `start` and after it."""
        self.kept[..., start : start + len(sources), :] = self.kept[..., sources, :]


class _Pass:
    """A pass over a fixed number of rows, recorded where the model is on a CUDA device."""

    def __init__(self, model: LlamaModel, cache: FixedCache, rows: int, pool: Any) -> None:
        like = cache.kept
        self.model, self.cache = model, cache
        self.rows = like.new_zeros(1, rows, model.config.hidden_size)
        self.positions = torch.arange(rows, device=like.device)
        # Trying a pass out writes, too: where no sequence ever has something to keep.
        self.written = torch.arange(cache.columns - rows, cache.columns, device=like.device)
        self.mask = like.new_zeros(1, 1, rows, cache.columns)
        self.state = self.rows
        self._compute()
        self._graph = self._record(like.device, pool) if like.is_cuda else None

    def __call__(self) -> Tensor:
        """Read what stands in `rows`; return states `[row, hidden]`, gone with the next pass."""
        if self._graph is None:
            self._compute()
        else:
            self._graph.replay()
        return self.state[0]

    def _record(self, device: torch.device, pool: Any) -> torch.cuda.CUDAGraph:
        graph, side = torch.cuda.CUDAGraph(), torch.cuda.Stream(device)
        here = torch.cuda.current_stream(device)
        side.wait_stream(here)
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP):
                self._compute()
        here.wait_stream(side)
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            self._compute()
        return graph

    def _compute(self) -> None:
        self.cache.written = self.written
        self.state = self.model(
            inputs_embeds=self.rows,
            attention_mask=self.mask,
            position_ids=self.positions[None],
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state


class GraphedPasses:
    """Reads trees below one sequence (`draft_tree.TreePasses`) by recorded graphs."""

    def __init__(self, model: LlamaModel, columns: int) -> None:
        """Make room for a sequence.

        Args:
            model: `transformers`' Llama without its output layer, on one device; on a CPU nothing
                is recorded and passes run one by one.
            columns: most rows that a sequence and a pass have together.
        """
        config, like = model.config, next(model.parameters()).detach()
        size = config.hidden_size // config.num_attention_heads
        self.model = model
        with torch.inference_mode(False):  # also usable outside inference mode
            self.cache = FixedCache(
                config.num_hidden_layers, config.num_key_value_heads, columns, size, like
            )
        self.proven = False
        """Whether an answer was compared with one decoded without recorded passes."""
        self._passes: dict[int, _Pass] = {}
        self._pool = torch.cuda.graph_pool_handle() if like.is_cuda else None

    def read(self, rows: Tensor, lineage: Tensor, start: int) -> Tensor:
        """Read known rows and a tree of guesses; see `TreePasses.read`.

        Raises:
            RuntimeError: CUDA refuses to record the pass.
        """
        count, first, device = len(rows), len(rows) - len(lineage), rows.device
        ready = self._pass(-(-count // ROWS) * ROWS)
        sees = torch.zeros(ready.rows.shape[1], self.cache.columns, dtype=torch.bool)
        sees[:, : start + 1] = True  # rows of no use, too: a row that sees nothing gives no number
        here = slice(start, start + count)
        sees[:count, here] = torch.ones(count, count, dtype=torch.bool).tril()
        sees[first:count, start + first : start + count] = lineage
        positions = torch.arange(start, start + sees.shape[0])
        positions[first:count] = start + first + lineage.sum(dim=1) - 1
        positions[count:] = 0
        hidden = torch.zeros(sees.shape).masked_fill(~sees, torch.finfo(ready.mask.dtype).min)
        ready.rows[0, :count] = rows
        ready.positions.copy_(positions)
        ready.written.copy_(torch.arange(start, start + sees.shape[0], device=device))
        ready.mask[0, 0] = hidden.to(ready.mask.dtype).to(device)
        return ready()[:count].clone()

    def keep(self, rows: Sequence[int], start: int) -> None:
        """Keep these rows of the last pass from `start` on; see `TreePasses.keep`."""
        moved = next((i for i, row in enumerate(rows) if i != row), len(rows))
        if moved < len(rows):
            sources = torch.tensor(rows[moved:], device=self.cache.kept.device) + start
            self.cache.move(sources, start + moved)

    def _pass(self, rows: int) -> _Pass:
        if rows not in self._passes:
            with torch.inference_mode(False), torch.no_grad():
                self._passes[rows] = _Pass(self.model, self.cache, rows, self._pool)
        return self._passes[rows]


class GraphStore:
    """The recorded passes of a model, made anew when a longer sequence comes or weights move."""

    def __init__(self, device_type: str = "cuda") -> None:
        self._device_type = device_type
        self._recorded: GraphedPasses | None = None
        self._weights: list[int] = []

    def passes(self, model: LlamaModel, positions: int) -> GraphedPasses | None:
        """Return what reads a sequence of so many positions; None where graphs are of no use.

        They need one CUDA device and plain weights; anything else decodes as usual.
        """
        parameters = list(model.parameters())
        if not _plain(parameters, self._device_type):
            return None
        columns = -(-(positions + 2 * ROWS) // _COLUMNS_STEP) * _COLUMNS_STEP
        weights = [p.data_ptr() for p in parameters]
        known = self._recorded
        if known is None or known.cache.columns < columns or weights != self._weights:
            self._recorded = None  # frees its memory first
            self._recorded, self._weights = GraphedPasses(model, columns), weights
        return self._recorded

    def refuse(self, reason: str) -> None:
        """Decode without graphs from now on, because recorded passes fail or cannot be trusted."""
        LOG.warning("decoding without CUDA graphs, which is slower: %s", reason)
        self._recorded, self._device_type = None, "none"


def _plain(parameters: Sequence[Tensor], device_type: str) -> bool:
    """Whether weights are floats on one such device: not quantised, not spread."""
    device = parameters[0].device
    return device.type == device_type and all(
        p.device == device and p.is_floating_point() for p in parameters
    )
