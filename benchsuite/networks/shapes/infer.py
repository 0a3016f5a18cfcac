"""Turn an architecture spec into a network's shapes, layer by layer; refuse layers that do not fit together."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

from benchsuite.errors import ShapeError
from benchsuite.networks.shapes.custom import CustomChain, CustomLayer, CustomSegment
from benchsuite.networks.shapes.geometry import (
    Shape,
    conv_shape,
    fixed_layer_shape,
    locally_connected_shape,
    norm_parameters,
    padding_of,
)
from benchsuite.networks.shapes.network_shapes import (
    DATA,
    AnyFixedLayer,
    FixedLayerShapes,
    NetworkShapes,
    SegmentShapes,
    TakeFirst,
)
from benchsuite.networks.shapes.requirements import (
    LayerOutput,
    SegmentLayer,
    require_a_vector_form,
    require_a_vector_segment,
    require_pairs,
)
from benchsuite.networks.shapes.square import (
    require_invertible_layer,
    require_invertible_segment,
    require_mixed_weights,
    require_square_layer,
)
from benchsuite.specs.models.architecture import (
    BinaryCode,
    ChainArchitecture,
    Conv2dLayer,
    DenseLayer,
    LayerSpec,
    LocallyConnected2dLayer,
    SegmentDefaults,
)
from benchsuite.specs.models.fixed_layers import (
    FlattenLayer,
    Reader,
    SumLayer,
)


def infer_shapes(architecture: ChainArchitecture | CustomChain, input_shape: Shape, classes: int) -> NetworkShapes:
    """Return the shapes of a chain for examples of ``input_shape``, with the readout added.

    Raises:
        ShapeError: if a layer has an empty output, cannot follow the one before, or is not allowed in a network of this
            form. The message names the layer and the shapes.

    """
    vectorized = architecture.form == "vectorized"
    if isinstance(architecture, ChainArchitecture) and architecture.form == "invertible":
        require_mixed_weights(architecture)
    components = _components(architecture, classes) if vectorized else 1
    draft = _ShapeInference(architecture, input_shape, components)
    for position, layer in enumerate(architecture.layers, start=1):
        draft.add(layer, position)
    readout = DenseLayer(
        kind="dense",
        units=1 if vectorized else classes,
        activation=architecture.readout.activation,
        norm="none",
        bias=architecture.readout.bias,
        initialization=architecture.readout.initialization,
    )
    draft.add(readout, len(architecture.layers) + 1, name="readout")
    draft.require_all_read()
    is_residual = any(isinstance(layer, SumLayer) for layer in architecture.layers)
    return NetworkShapes(
        input_shape,
        classes,
        tuple(draft.nodes),
        form=architecture.form,
        topology="residual" if is_residual else "chain",
        sources=tuple(draft.sources),
        components=components,
        output_code=architecture.output_code,
        nonnegative=architecture.weight_sign == "nonnegative",
    )


def _components(architecture: ChainArchitecture | CustomChain, classes: int) -> int:
    code = architecture.output_code
    if not isinstance(code, BinaryCode):
        return classes
    if 2**code.bits < classes:
        raise ShapeError(
            f"output_code has {code.bits} bits, which tell {2**code.bits} classes apart; there are {classes}: "
            f"use at least {math.ceil(math.log2(classes))}"
        )
    return code.bits


class _ShapeInference:
    """Unfinished shapes of a network, built node by node."""

    def __init__(self, architecture: ChainArchitecture | CustomChain, input_shape: Shape, components: int) -> None:
        self.architecture = architecture
        self.vectorized = architecture.form == "vectorized"
        self.invertible = architecture.form == "invertible"
        self.components = components
        self.nodes: list[SegmentShapes | FixedLayerShapes] = []
        self.sources: list[tuple[int, ...]] = []
        self.written = [LayerOutput(DATA, input_shape, input_shape[0], learned=False)]
        """The network's input, then the output of each layer of the spec; without the nodes added in between."""
        self.segments = 0

    def add(self, layer: LayerSpec | CustomSegment | CustomLayer, position: int, name: str | None = None) -> None:
        """Add a layer, with a flatten before it if it needs one."""
        before = self.written[-1] if isinstance(layer, SumLayer) else self._read(layer, position)
        if isinstance(layer, CustomSegment | CustomLayer):
            self.written.append(self._custom(layer, before, position))
            return
        if self.invertible:
            require_invertible_layer(layer, position)
        if isinstance(layer, DenseLayer | Conv2dLayer | LocallyConnected2dLayer):
            if isinstance(layer, DenseLayer) and len(before.shape) > 1:
                before = self._fixed_layer(
                    FlattenLayer(kind="flatten"), before, (math.prod(before.shape),), (before.node,)
                )
            self.segments += 1
            passed_on = None
            if self.invertible and not isinstance(layer, LocallyConnected2dLayer):
                layer, passed_on = require_square_layer(layer, before.shape, position, is_readout=name == "readout")
            segment = self._segment(name or f"{_SHORT[layer.kind]}{self.segments}", layer, before, position)
            self._append(segment, (before.node,))
            after = LayerOutput(len(self.nodes) - 1, segment.output_shape, segment.output_shape[0], learned=True)
            if passed_on is not None and passed_on < after.channels and name != "readout":
                after = self._fixed_layer(TakeFirst(passed_on), after, (passed_on, *after.shape[1:]), (after.node,))
        elif isinstance(layer, SumLayer):
            terms = self._terms(layer, position)
            # The sum depends on a segment if any of its terms does.
            before = replace(before, learned=any(term.learned for term in terms))
            after = self._fixed_layer(layer, before, before.shape, tuple(term.node for term in terms))
        else:
            if self._is_vector(before):
                require_a_vector_form(layer, position)
            after = self._fixed_layer(layer, before, fixed_layer_shape(layer, before.shape, position), (before.node,))
        self.written.append(after)

    def _custom(self, layer: CustomSegment | CustomLayer, before: LayerOutput, position: int) -> LayerOutput:
        """Add a layer of a plugin's own."""
        if isinstance(layer, CustomLayer):
            return self._fixed_layer(layer, before, layer.measure(before.shape, position), (before.node,))
        self.segments += 1
        chosen = self._chosen(layer)
        sizes = layer.measure(before.shape, bool(chosen["bias"]), position)
        segment = SegmentShapes(
            name=f"{layer.kind}{self.segments}",
            map_kind=layer.kind,
            input_shape=before.shape,
            output_shape=sizes.output_shape,
            map_options={},
            parameters=sizes.weights + sizes.biases + norm_parameters(chosen["norm"], sizes.output_shape[0], position),
            macs=sizes.macs,
            input_channels=before.channels,
            reads_input=not before.learned,
            make_map=partial(layer.make, before.shape, bool(chosen["bias"])),
            **chosen,
        )
        self._append(segment, (before.node,))
        return LayerOutput(len(self.nodes) - 1, segment.output_shape, segment.output_shape[0], learned=True)

    def _chosen(self, layer: SegmentLayer | CustomSegment) -> dict[str, Any]:
        """Return the settings of a segment: its own, else the chain's."""
        defaults = {name: getattr(self.architecture.defaults, name) for name in SegmentDefaults.model_fields}
        if isinstance(self.architecture, CustomChain) and self.architecture.activation is not None:
            defaults["activation"] = self.architecture.activation
        own = {name: getattr(layer, name) for name in defaults}
        return {name: defaults[name] if value is None else value for name, value in own.items()}

    def require_all_read(self) -> None:
        """Raise ShapeError for a layer whose output is never read: the layers before it would get no credit from it."""
        read = {source for sources in self.sources for source in sources}
        for position, output in enumerate(self.written[1:-1], start=1):
            if output.node not in read:
                kind = self.architecture.layers[position - 1].kind
                raise ShapeError(
                    f"layer {position}, {kind}: nothing reads it; make it a term of a sum, or read it with 'reads'"
                )

    def _read(self, layer: Reader | CustomSegment | CustomLayer, position: int) -> LayerOutput:
        if layer.reads > len(self.written):
            raise ShapeError(
                f"layer {position}: reads {layer.reads} layers back, which is before the network's input; that is "
                f"{len(self.written)} back"
            )
        return self.written[-layer.reads]

    def _is_vector(self, output: LayerOutput) -> bool:
        return self.vectorized and output.learned

    def _append(self, node: SegmentShapes | FixedLayerShapes, sources: tuple[int, ...]) -> None:
        self.nodes.append(node)
        self.sources.append(sources)

    def _fixed_layer(
        self, layer: AnyFixedLayer, before: LayerOutput, shape: Shape, sources: tuple[int, ...]
    ) -> LayerOutput:
        self._append(FixedLayerShapes(layer, before.shape, shape, self._is_vector(before)), sources)
        channels = before.channels if isinstance(layer, FlattenLayer) else shape[0]
        return replace(before, node=len(self.nodes) - 1, shape=shape, channels=channels)

    def _terms(self, layer: SumLayer, position: int) -> list[LayerOutput]:
        back = f"the layers {', '.join(map(str, layer.of))} back"
        if max(layer.of) > len(self.written):
            raise ShapeError(
                f"layer {position}, sum of {back}: {max(layer.of)} layers back is before the network's input, "
                f"which is {len(self.written)} back"
            )
        terms = [self.written[-steps] for steps in layer.of]
        if len({term.shape for term in terms}) > 1:
            raise ShapeError(
                f"layer {position}, sum of {back}: the terms have shapes {', '.join(str(t.shape) for t in terms)}; "
                "a sum needs equal ones"
            )
        if len({self._is_vector(term) for term in terms}) > 1:
            raise ShapeError(
                f"layer {position}, sum of {back}: adds data to vector units; in a vectorized network a sum is of "
                "segments' outputs"
            )
        return terms

    def _segment(self, name: str, layer: SegmentLayer, before: LayerOutput, position: int) -> SegmentShapes:
        chosen = self._chosen(layer)
        options, output_shape, weights, biases, macs = _sizes(layer, before.shape, position)
        if self.vectorized:
            require_a_vector_segment(layer, name, chosen, before, position)
            options["components"] = self.components
            weights *= 1 if before.learned else self.components
            biases *= self.components
            macs *= self.components
        elif chosen["activation"] == "vector_gate":
            raise ShapeError(f"layer {position}: activation vector_gate is for form: vectorized")
        elif self.invertible:
            require_invertible_segment(f"layer {position}, {layer.kind}", chosen)
        require_pairs(layer, name, chosen, before, position, self.architecture)
        parameters = weights + biases * bool(chosen["bias"])
        parameters += norm_parameters(chosen["norm"], output_shape[0], position)
        return SegmentShapes(
            name=name,
            map_kind=layer.kind,
            input_shape=before.shape,
            output_shape=output_shape,
            map_options=options,
            parameters=parameters,
            macs=macs,
            input_channels=before.channels,
            reads_input=not before.learned,
            **chosen,
        )


_SHORT = {"dense": "dense", "conv2d": "conv", "locally_connected2d": "local"}


def _sizes(layer: SegmentLayer, shape: Shape, position: int) -> tuple[dict[str, Any], Shape, int, int, int]:
    """Return the map's options, its output shape, and its numbers of weights, biases and multiply-adds."""
    if isinstance(layer, DenseLayer):
        weights = shape[0] * layer.units
        return {"inputs": shape[0], "units": layer.units}, (layer.units,), weights, layer.units, weights
    if isinstance(layer, LocallyConnected2dLayer):
        output_shape = locally_connected_shape(layer, shape, position)
        options = {
            "input_channels": shape[0],
            "height": shape[1],
            "width": shape[2],
            "channels": layer.channels,
            "kernel": layer.kernel,
            "stride": layer.stride,
            **padding_of(layer),
            "replicated": layer.replicated,
        }
        biases = math.prod(output_shape)
        weights = biases * shape[0] * layer.kernel**2
        return options, output_shape, weights, biases, weights
    output_shape = conv_shape(layer, shape, position)
    options = {
        "input_channels": shape[0],
        "channels": layer.channels,
        "kernel": layer.kernel,
        "stride": layer.stride,
        **padding_of(layer),
        "dilation": layer.dilation,
        "groups": layer.groups,
    }
    weights = layer.channels * (shape[0] // layer.groups) * layer.kernel**2
    return options, output_shape, weights, layer.channels, weights * output_shape[1] * output_shape[2]
