"""Measure freshly drawn nonnegative vectorized networks, and work out what theory says of them."""

from __future__ import annotations

import math

import torch
from torch import Generator

from benchsuite.credit import propagated_credit, record_vector_forward
from benchsuite.credit.batch import Batch
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CrossEntropy
from benchsuite.networks.network import Network
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite.studies.on_off_initialization.spec import OnOffInitializationSpec
from benchsuite.training.seeds import derive_seed

RECTIFIED = math.sqrt(math.pi - 1)
"""Standard deviation over mean of a rectified normal number."""

STREAMS = ("init", "inputs")


def stream_seeds(seed: int) -> dict[str, int]:
    """Return the seed of each stream; a run with the same seed index has other seeds."""
    return {stream: derive_seed(f"on_off_initialization/{stream}", seed) for stream in STREAMS}


def angles(spec: OnOffInitializationSpec, width: int, seed: int) -> dict[str, float]:
    """Return, per hidden layer from the input, GEVB's angle to the gradient in degrees, measured and by eq. 15.

    Source: Clark et al. 2021, eqs 15, 23 and 24.

    """
    network, generator = _network(spec, (spec.inputs,), width, spec.hidden_layers, seed)
    inputs = torch.randn(spec.examples, spec.inputs, generator=generator, dtype=torch.float64)
    batch = Batch(inputs, torch.arange(spec.examples) % spec.classes, CrossEntropy())
    with torch.no_grad():
        credit = propagated_credit(record_vector_forward(network, batch), {})
    expected = predicted_angles(width, spec.hidden_layers)
    found = {}
    for layer, name in enumerate(network.hidden, 1):
        values = credit[name].flatten(1)  # (batch, units)
        spread = values.std(1, correction=0) / values.mean(1)
        found[f"layer {layer}, measured"] = float(spread.arctan().rad2deg().mean())
        found[f"layer {layer}, eq. 15"] = expected[layer - 1]
    return found


def predicted_angles(width: int, hidden_layers: int) -> list[float]:
    """Return the angles of eq. 15 for rectified normal weights without pairs, in degrees, from the input."""
    ratio, found = RECTIFIED, []
    for _ in range(hidden_layers):
        found.append(math.degrees(math.atan(ratio)))
        ratio = math.sqrt(2 / width) * RECTIFIED * math.sqrt(1 + ratio**2)
    return found[::-1]


def spectrum(spec: OnOffInitializationSpec, width: int, seed: int) -> dict[str, float]:
    """Return eigenvalues of a square layer W and of the normal matrix V that it is made of, and the overlap.

    Source: Clark et al. 2021, section 5: W has the eigenvalues of V and of abs(V).

    """
    network, generator = _network(spec, (spec.inputs,), width, 2, seed)
    weight = network.maps[network.hidden[1]].weight.detach()  # (units, units), pairs interleaved
    half = weight[::2, ::2] - weight[::2, 1::2]
    own = torch.linalg.eigvals(weight)
    of_half = torch.linalg.eigvals(half)
    parts = torch.cat([of_half, torch.linalg.eigvals(half.abs())])
    sizes = own.abs().sort(descending=True).values
    distance = torch.cdist(torch.view_as_real(own), torch.view_as_real(parts)).min(1).values.max()
    values, vectors = torch.linalg.eig(weight.t())
    outlier = vectors[:, values.abs().argmax()].real
    inputs = torch.randn(spec.examples, spec.inputs, generator=generator, dtype=torch.float64)
    batch = Batch(inputs, torch.arange(spec.examples) % spec.classes, CrossEntropy())
    with torch.no_grad(), network.observed() as outputs:
        network(batch.inputs)
    # (batch, components, units) of the layer before, times the weights: what the nonlinearity gets, biases being zero.
    pre = outputs[network.hidden[0]].flatten(2) @ weight.t()
    overlap = (pre @ outlier).abs() / (pre.norm(dim=2) * outlier.norm()).clamp_min(1e-300)
    return {
        "largest eigenvalue of W": float(sizes[0]),
        "its estimate, √(2n/π)": math.sqrt(2 * width / math.pi),
        "second largest eigenvalue of W": float(sizes[1]),
        "largest eigenvalue of V": float(of_half.abs().max()),
        "distance of W's eigenvalues from those of V and abs(V)": float(distance),
        "overlap of pre-activations with the largest one's vector": float(overlap.mean()),
    }


def _network(
    spec: OnOffInitializationSpec, input_shape: tuple[int, ...], width: int, layers: int, seed: int
) -> tuple[Network, Generator]:
    """Return a network as in the GEVB paper, in float64, and the stream of its inputs."""
    pairs = {"on_off": "channels"}
    first = {"kind": "dense", "units": width, "initialization": {"scheme": "lecun_normal", **pairs}}
    architecture = ChainArchitecture.model_validate(
        {
            "name": "on-off",
            "kind": "chain",
            "form": "vectorized",
            "weight_sign": "nonnegative",
            "defaults": {"activation": "vector_gate", "initialization": {"scheme": "he_normal", **pairs}},
            "layers": [first, *({"kind": "dense", "units": width} for _ in range(layers - 1))],
        }
    )
    streams = {name: Generator().manual_seed(value) for name, value in stream_seeds(seed).items()}
    network = build(shapes_of(architecture, input_shape, spec.classes), streams["init"]).double()
    network.eval()
    return network, streams["inputs"]
