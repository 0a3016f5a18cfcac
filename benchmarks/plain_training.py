"""Training in plain PyTorch after the recipe that BioTorch publishes, of which it has no code.

torchvision's transforms per image, a DataLoader without workers, loss and top-1 and top-5 accuracy read on the host in
each step, torch's default Adam, feedback alignment as an autograd function.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision import transforms

from benchsuite.data.tensors import DecodedDataset
from benchsuite.specs.models.track import RunSpec
from benchsuite.training.trainer import Trainer


class FeedbackLinear(torch.autograd.Function):
    """A dense layer whose input gradient goes through another weight."""

    @staticmethod
    def forward(context: Any, inputs: Tensor, weight: Tensor, bias: Tensor, feedback: Tensor) -> Tensor:
        """Apply the layer."""
        context.save_for_backward(inputs, feedback)
        return F.linear(inputs, weight, bias)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of what ``forward`` was given."""
        (gradient,) = gradients
        inputs, feedback = context.saved_tensors
        return gradient @ feedback, gradient.T @ inputs, gradient.sum(0), None


class FeedbackConv(torch.autograd.Function):
    """A convolution whose input gradient goes through another weight."""

    @staticmethod
    def forward(
        context: Any, inputs: Tensor, weight: Tensor, bias: Tensor, feedback: Tensor, stride: int, padding: int
    ) -> Tensor:
        """Apply the layer."""
        context.save_for_backward(inputs, feedback)
        context.geometry = {"stride": stride, "padding": padding}
        return F.conv2d(inputs, weight, bias, stride, padding)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of what ``forward`` was given."""
        (gradient,) = gradients
        inputs, feedback = context.saved_tensors
        to_inputs = nn.grad.conv2d_input(inputs.shape, feedback, gradient, **context.geometry)
        to_weight = nn.grad.conv2d_weight(inputs, feedback.shape, gradient, **context.geometry)
        return to_inputs, to_weight, gradient.sum((0, 2, 3)), None, None, None


class Layer(nn.Module):
    """A dense layer or a convolution; with a feedback weight, credit passes back through that."""

    def __init__(self, weight: Tensor, bias: Tensor, feedback: Tensor | None, stride: int, padding: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
        self.register_buffer("feedback", None if feedback is None else feedback.clone())
        self.geometry = (stride, padding)

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the layer; a dense one flattens its input."""
        if self.weight.dim() == 4:
            if self.feedback is None:
                return F.conv2d(inputs, self.weight, self.bias, *self.geometry)
            return FeedbackConv.apply(inputs, self.weight, self.bias, self.feedback, *self.geometry)
        inputs = inputs.flatten(1)
        if self.feedback is None:
            return F.linear(inputs, self.weight, self.bias)
        return FeedbackLinear.apply(inputs, self.weight, self.bias, self.feedback)


def plain_network(trainer: Trainer, spec: RunSpec) -> nn.Sequential:
    """Return an equal network in plain PyTorch, with copies of the weights and the feedback."""
    parameters = [p.detach() for p in trainer.network.parameters()]
    feedback: list[Tensor | None] = [None] * (len(parameters) // 2)
    if spec.rule.name == "feedback_alignment":
        feedback[1:] = list(trainer.rule.feedback.by_segment.values())  # type: ignore[union-attr]
    geometry = [(getattr(layer, "stride", 1), getattr(layer, "padding", 0)) for layer in spec.architecture.layers]
    layers: list[nn.Module] = []
    for weight, bias, back, (stride, padding) in zip(
        parameters[0::2], parameters[1::2], feedback, [*geometry, (1, 0)], strict=True
    ):
        layers += [Layer(weight, bias, back, stride, padding), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Images(Dataset[tuple[Tensor, int]]):
    """Images that are transformed one by one when they are asked for, as torchvision's data sets do it."""

    def __init__(self, inputs: Tensor, targets: Tensor, mean: Sequence[float], std: Sequence[float]) -> None:
        images: NDArray[np.uint8] = inputs.permute(0, 2, 3, 1).numpy()
        self.images = np.ascontiguousarray(images[..., 0] if images.shape[3] == 1 else images)
        self.targets = targets.tolist()
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)])

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.targets[index]


class ShuffledOrder(Sampler[int]):
    """A new order per epoch, as torch's ``RandomSampler``, which draws one more of them per epoch than it uses."""

    def __init__(self, examples: int, generator: torch.Generator) -> None:
        self.examples, self.generator = examples, generator

    def __iter__(self) -> Iterator[int]:
        yield from torch.randperm(self.examples, generator=self.generator).tolist()


class PlainSide:
    """Training with a DataLoader per epoch and an eager loop that reads its metrics in every step."""

    def __init__(self, trainer: Trainer, spec: RunSpec, dataset: DecodedDataset) -> None:
        self.network = plain_network(trainer, spec)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=spec.protocol.optimizer.learning_rate)
        order = torch.Generator()
        order.set_state(trainer.order.get_state())
        norm = spec.dataset.normalization
        train = Images(dataset.train_inputs, dataset.train_targets, norm.mean, norm.std)
        test = Images(dataset.test_inputs, dataset.test_targets, norm.mean, norm.std)
        size = spec.protocol.batch_size
        self.loader = DataLoader(train, batch_size=size, sampler=ShuffledOrder(len(train), order))
        self.test_loader = DataLoader(test, batch_size=size)
        self.sums = [0.0, 0.0, 0.0]

    def steps(self) -> Iterator[None]:
        """Take one step per item, epoch after epoch."""
        while True:
            self.network.train()
            for inputs, targets in self.loader:
                outputs = self.network(inputs)
                loss = F.cross_entropy(outputs, targets)
                self._count(outputs, targets, loss)
                self.network.zero_grad()
                loss.backward()
                self.optimizer.step()
                yield

    def _count(self, outputs: Tensor, targets: Tensor, loss: Tensor) -> None:
        """Add a batch's loss and its top-1 and top-5 hits, read on the host."""
        hits = outputs.topk(5, 1).indices == targets.unsqueeze(1)  # (batch, 5)
        found = (loss.item() * len(targets), hits[:, 0].sum().item(), hits.sum().item())
        self.sums = [total + each for total, each in zip(self.sums, found, strict=True)]

    def test_error(self) -> float:
        """Return the fraction of test examples that are misclassified."""
        self.sums = [0.0, 0.0, 0.0]
        self.network.eval()
        with torch.no_grad():
            for inputs, targets in self.test_loader:
                outputs = self.network(inputs)
                self._count(outputs, targets, F.cross_entropy(outputs, targets))
        return 1 - self.sums[1] / len(self.test_loader.dataset)  # type: ignore[arg-type]
