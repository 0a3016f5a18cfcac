"""Cost of a locally connected map beside the matrix products of its own multiply-adds.

    python benchmarks/locally_connected.py [--batch 128] [--rounds 15] [--threads 1] [--usual-order]

For each layer, the median time of its forward pass, of its backward pass (the cotangent at the input and the weight's
gradient) and of both, over that of the same work as plain batched matrix products on tensors that lie ready: one for
the forward pass, two for the backward pass. A layer that reads the data passes no cotangent on, in training as here:
one product less on both sides. The goal is a ratio of at most 3 for both passes together.

Tensors lie in memory as they do in training: data with the batch as the slowest axis, what layers of this kind, pooling
and flattening hand to them with the batch as the fastest. ``--usual-order`` has it slowest everywhere, as between a
locally connected layer and a convolution.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from statistics import median

import torch
from torch import Tensor

from benchsuite.execution.allocator import keep_freed_memory
from benchsuite.networks.maps import LocallyConnected2d

# (input channels, size, channels, kernel, stride, padding): the GEVB paper's MNIST and CIFAR10 LC networks.
LAYERS = {
    "MNIST LC1": (1, 28, 32, 3, 1, 1),
    "MNIST LC2": (32, 14, 32, 3, 1, 1),
    "CIFAR LC1": (3, 32, 64, 5, 1, 2),
    "CIFAR LC2": (64, 16, 32, 5, 1, 2),
    "CIFAR LC3": (32, 8, 32, 2, 2, 0),
}


def median_ms(work: Callable[[], object], rounds: int) -> float:
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * median(times)


def batch_fastest(images: Tensor) -> Tensor:
    return images.permute(2, 3, 1, 0).contiguous().permute(3, 2, 0, 1)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--usual-order", action="store_true")
    parser.add_argument("--smoke", action="store_true", help="run a little of everything; the figures mean nothing")
    options = parser.parse_args(words)
    if options.smoke:
        options.batch, options.rounds = 1, 1
    keep_freed_memory()  # as in every run of the harness
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {options.threads} threads, batch {options.batch}, {options.rounds} rounds")
    print(f"{'layer':10} {'forward':>9} {'ratio':>6} {'backward':>9} {'ratio':>6} {'both, ratio':>12}")
    for name, (inputs, size, channels, kernel, stride, padding) in LAYERS.items():
        linear_map = LocallyConnected2d(inputs, channels, kernel, size, size, stride, padding)
        weight = linear_map.weight.detach().normal_()
        reads_input, positions = name.endswith("LC1"), len(weight)
        x = torch.randn(options.batch, inputs, size, size)
        cotangent = torch.randn_like(linear_map.apply_weight(x, weight).contiguous())
        if not options.usual_order:
            x, cotangent = x if reads_input else batch_fastest(x), batch_fastest(cotangent)
        patches = torch.randn(positions, weight.shape[2], options.batch)
        at_map = torch.randn(positions, channels, options.batch)

        def forward(m=linear_map, x=x, w=weight) -> object:  # noqa: ANN001
            return m.apply_weight(x, w)

        def backward(m=linear_map, x=x, c=cotangent, w=weight, passes_on=not reads_input) -> object:  # noqa: ANN001
            return m.backward_through(x, c, w, passes_on)

        def product(w=weight, p=patches) -> object:  # noqa: ANN001
            return torch.bmm(w, p)

        def products_back(w=weight, p=patches, c=at_map, passes_on=not reads_input) -> object:  # noqa: ANN001
            return torch.bmm(w.transpose(1, 2), c) if passes_on else None, torch.bmm(c, p.transpose(1, 2))

        one, two = median_ms(product, options.rounds), median_ms(products_back, options.rounds)
        ahead, back = median_ms(forward, options.rounds), median_ms(backward, options.rounds)
        ratio = (ahead + back) / (one + two)
        print(f"{name:10} {ahead:6.2f} ms {ahead / one:6.2f} {back:6.2f} ms {back / two:6.2f} {ratio:12.2f}")


if __name__ == "__main__":
    main()
