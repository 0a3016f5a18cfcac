"""The network: named segments in forward order, with the layers between them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from benchsuite.networks.maps import LinearMap
from benchsuite.networks.segments import Dropout, Segment
from benchsuite.networks.shapes.network_shapes import DATA, NetworkShapes
from benchsuite.networks.vector_segment import codes_of


class Network(nn.Module):
    """A graph of segments with the readout last: a chain, or a graph with sums.

    Attributes:
        shapes: shapes, sources and sizes of all nodes.
        segments: segments by name, in forward order; the last is the readout.
        maps: linear maps by segment name.
        autocast_dtype: low-precision type for products in the forward pass, or None; set by the harness.
        credit_observer: called with (segment, credit at its output, credit at its map's output) when gradients are
            formed without autograd; set by diagnostics.

    """

    def __init__(self, shapes: NetworkShapes, nodes: list[tuple[str, nn.Module]]) -> None:
        super().__init__()
        self.shapes = shapes
        self.nodes = nn.ModuleDict(dict(nodes))
        # A plain tuple: iterating over a ModuleDict costs more than small layers do.
        self._steps: tuple[tuple[str, nn.Module], ...] = tuple(self.nodes.items())
        # None for a chain, which needs no outputs of earlier nodes.
        self._sources = None if shapes.topology == "chain" else shapes.sources
        self._done_with = _last_reads(shapes.sources)
        self.segments: Mapping[str, Segment] = {n: m for n, m in nodes if isinstance(m, Segment)}
        self.maps: Mapping[str, LinearMap] = {n: s.map for n, s in self.segments.items()}
        self.autocast_dtype: torch.dtype | None = None
        self.credit_observer: Callable[[str, Tensor, Tensor], None] | None = None
        self.codes: Tensor | None
        codes = codes_of(shapes.output_code, shapes.classes) if shapes.form == "vectorized" else None
        self.register_buffer("codes", codes)

    @property
    def constrained(self) -> tuple[str, ...]:
        """Names of the segments whose weights ``constrain`` clamps at zero; none but in a nonnegative network."""
        if not self.shapes.nonnegative:
            return ()
        return tuple(name for name in self.credit_senders if self.maps[name].weight.requires_grad)

    @property
    def readout(self) -> str:
        """Name of the last segment, whose output ``decode`` turns into logits."""
        return tuple(self.segments)[-1]

    @property
    def hidden(self) -> tuple[str, ...]:
        """Names of all segments except the readout."""
        return tuple(self.segments)[:-1]

    @property
    def credit_senders(self) -> tuple[str, ...]:
        """Names of the segments that pass credit to an earlier one: all except those that read only the input."""
        return tuple(name for name, above in self.shapes.upstream.items() if above)

    @property
    def classes(self) -> int:
        """The number of classes."""
        return self.shapes.classes

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits, shape (batch, classes)."""
        with self.autocast():
            if self._sources is not None:
                inputs = self.walk(inputs, lambda _, node, *received: node(*received))
            else:
                for _, node in self._steps:
                    inputs = node(inputs)
        return self.decode(self.widen(inputs))

    def walk(self, inputs: Tensor, visit: Callable[..., Tensor]) -> Tensor:
        """Run a batch through all nodes in forward order and return the last node's output.

        Args:
            inputs: the batch, shape (batch, ...).
            visit: called with (name, node, the node's inputs...); returns the output that later nodes receive.

        """
        if self._sources is None:
            for name, node in self._steps:
                inputs = visit(name, node, inputs)
            return inputs
        values: dict[int, Tensor] = {DATA: inputs}
        for position, (name, node) in enumerate(self._steps):
            values[position] = visit(name, node, *(values[source] for source in self._sources[position]))
            for source in self._done_with[position]:
                del values[source]
        return values[position]

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context for the forward pass: autocast if ``autocast_dtype`` is set."""
        if self.autocast_dtype is None:
            return nullcontext()
        device_type = next(self.parameters()).device.type
        return torch.autocast(device_type, self.autocast_dtype)

    def widen(self, logits: Tensor) -> Tensor:
        """Return logits in the weights' dtype, in which losses are computed."""
        return logits if self.autocast_dtype is None else logits.to(next(self.parameters()).dtype)

    @property
    def is_vectorized(self) -> bool:
        """True if units are vectors."""
        return self.shapes.form == "vectorized"

    @property
    def is_invertible(self) -> bool:
        """True if every segment has an inverse."""
        return self.shapes.form == "invertible"

    def decode(self, readout: Tensor) -> Tensor:
        """Return the logits, shape (batch, classes), for the readout's output.

        In a vectorized network the readout is one vector unit, (batch, K, 1): its components are the logits, or are
        compared with the code of each class. In an invertible network the first outputs are the logits.
        """
        if not self.is_vectorized:
            return readout[:, : self.classes] if self.is_invertible else readout
        vector = readout.flatten(1)  # (batch, K)
        return vector if self.codes is None else vector @ self.codes.t()

    def encode_error(self, error: Tensor) -> Tensor:
        """Return the error at the readout's output for the error at the logits, shape (batch, classes).

        In a vectorized network that is the error of its vector unit, (batch, K). In an invertible network it is the
        error of all its outputs, zero for auxiliary ones.
        """
        if self.is_invertible:
            return F.pad(error, (0, self.shapes.segments[-1].units - self.classes))
        return error if self.codes is None else error @ self.codes

    @torch.no_grad()
    def constrain(self) -> None:
        """Project the weights onto their constraint; the harness calls this after every update.

        In a nonnegative network, weights are clamped at zero, except those of segments that read the input.
        """
        weights: list[Tensor] = [self.maps[name].weight for name in self.constrained]
        if weights:
            torch._foreach_clamp_min_(weights, 0.0)

    def steps(self) -> tuple[tuple[str, nn.Module], ...]:
        """Return all nodes by name in forward order: segments and the layers between them."""
        return self._steps

    def freeze(self, names: Iterable[str]) -> None:
        """Freeze these segments: training no longer changes them."""
        for name in names:
            self.segments[name].freeze()

    def keep_weights(self, names: Iterable[str]) -> None:
        """Take these segments' parameters from training; unlike ``freeze``, their norms still follow each batch."""
        for name in names:
            self.segments[name].requires_grad_(False)

    def train_segments(self, names: Collection[str]) -> None:
        """Train these segments and keep the weights of all others, as ``keep_weights`` does; frozen ones stay so."""
        for name, segment in self.segments.items():
            if not segment.frozen:
                segment.requires_grad_(name in names)

    def parameter_names(self, segments: Iterable[str]) -> frozenset[str]:
        """Return the names of these segments' parameters."""
        own = {id(parameter) for name in segments for parameter in self.segments[name].parameters()}
        return frozenset(name for name, parameter in self.named_parameters() if id(parameter) in own)

    def set_dropout_generator(self, generator: Generator) -> None:
        """Make all dropout layers draw from this random stream."""
        for dropout in self._dropouts():
            dropout.generator = generator

    def _dropouts(self) -> list[Dropout]:
        return [part for part in self.modules() if isinstance(part, Dropout)]

    @contextmanager
    def repeated(self) -> Iterator[None]:
        """Reuse the same dropout masks in all forward passes of one batch within the block.

        The first forward pass draws the masks, so the random stream ends up where a single pass leaves it.
        """
        dropouts = self._dropouts()
        for dropout in dropouts:
            dropout.holds_mask = True
        try:
            yield
        finally:
            for dropout in dropouts:
                dropout.release()

    @contextmanager
    def untracked(self) -> Iterator[None]:
        """Keep the block's forward passes out of the running averages of batch norms."""
        # Without running averages to update, torch normalises by the batch in training; evaluation is unchanged.
        norms = [m for m in self.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        tracking = [norm for norm in norms if norm.training and norm.track_running_stats]
        for norm in tracking:
            norm.track_running_stats = False
        try:
            yield
        finally:
            for norm in tracking:
                norm.track_running_stats = True

    @contextmanager
    def observed(self) -> Iterator[dict[str, Tensor]]:
        """Collect the output of each segment in forward passes within the block; gradients flow as usual."""
        outputs: dict[str, Tensor] = {}

        def keep(name: str) -> object:
            return self.segments[name].register_forward_hook(lambda _m, _i, output: outputs.update({name: output}))

        handles = [keep(name) for name in self.segments]
        try:
            yield outputs
        finally:
            for handle in handles:
                handle.remove()  # type: ignore[attr-defined]


def _last_reads(sources: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """Return, per node, the outputs that no later node reads, so that a forward pass can free them."""
    last = {source: position for position, read in enumerate(sources) for source in read}
    return tuple(tuple(s for s, at in last.items() if at == position) for position in range(len(sources)))
