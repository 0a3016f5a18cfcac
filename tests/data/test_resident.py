"""Checked against the formula in the specs' own words, in double precision."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.data.resident import ResidentData
from benchsuite.data.tensors import DecodedDataset
from benchsuite.errors import DataError
from benchsuite.specs.models.dataset import Normalization

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def dataset(channels=3, *, floats=False, count=10, shape=(4, 5)):
    generator = torch.Generator().manual_seed(0)

    def inputs(n):
        if floats:
            return torch.randn(n, channels, *shape, generator=generator)
        return torch.randint(0, 256, (n, channels, *shape), generator=generator, dtype=torch.uint8)

    return DecodedDataset(inputs(count), torch.arange(count) % 3, inputs(7), torch.arange(7) % 3, classes=3)


def expected(values, mean, std):
    unit = 255 if values.dtype == torch.uint8 else 1
    dims = [-1] + [1] * (values.ndim - 2)
    mean, std = (torch.tensor(v, dtype=torch.float64).view(dims) for v in (mean, std))
    return (values.cpu().double() / unit - mean) / std


STATISTICS = [((0.1307,), (0.3081,)), ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)), ((0.5, 0.4, 0.3), (0.2,)), ((0.0,), (1.0,))]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("floats", [False, True])
@pytest.mark.parametrize(("mean", "std"), [*STATISTICS, ((0.5,), (0.2, 0.3, 0.4))])
def test_normalisation_is_the_formula_of_the_spec(mean, std, floats, device):
    """Catches: division by 255 forgotten or done twice, channels mixed up, std multiplied."""
    decoded = dataset(floats=floats)
    resident = ResidentData(decoded, Normalization(mean=mean, std=std), device)
    result = resident.normalized(resident.train_inputs)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result.cpu().double(), expected(decoded.train_inputs, mean, std), rtol=1e-5, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.floats(-2, 2), st.floats(0.01, 100))
def test_normalisation_is_exact_to_float32_for_any_statistics(mean, std):
    decoded = dataset(1)
    resident = ResidentData(decoded, Normalization(mean=(mean,), std=(std,)))
    result = resident.normalized(decoded.train_inputs).double()
    scale = max(1.0, abs(mean)) / std
    assert (result - expected(decoded.train_inputs, (mean,), (std,))).abs().max() <= 3e-7 * scale


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("mean", "std"), STATISTICS[:2])
def test_other_precisions_are_rounded_once(dtype, mean, std):
    decoded = dataset()
    result = ResidentData(decoded, Normalization(mean=mean, std=std), dtype=dtype).normalized(decoded.train_inputs)
    assert result.dtype == dtype
    wanted = expected(decoded.train_inputs, mean, std)
    tolerance = {torch.float64: 1e-12, torch.bfloat16: 2**-8, torch.float16: 2**-10}[dtype]
    torch.testing.assert_close(result.double(), wanted, rtol=tolerance, atol=1e-6 if dtype != torch.float64 else 1e-12)


@pytest.mark.parametrize("device", DEVICES)
def test_a_batch_is_the_examples_at_the_indices_with_their_labels(device):
    decoded = dataset()
    resident = ResidentData(decoded, Normalization(), device)
    indices = torch.tensor([7, 0, 7, 3], device=device)
    inputs, targets = resident.train_batch(indices)
    assert inputs.shape == (4, 3, 4, 5)
    assert inputs.is_contiguous()
    assert torch.equal((inputs * 255).round().byte().cpu(), decoded.train_inputs[[7, 0, 7, 3]])
    assert targets.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
@pytest.mark.parametrize("split", ["train", "test"])
def test_slices_go_through_every_example_once_in_order(split, batch_size):
    """Catches: a dropped last batch; train and test exchanged."""
    decoded = dataset()
    batches = list(getattr(ResidentData(decoded, Normalization()), f"{split}_slices")(batch_size))
    inputs, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert torch.equal((inputs * 255).round().byte(), getattr(decoded, f"{split}_inputs"))
    assert torch.equal(targets, getattr(decoded, f"{split}_targets"))
    assert all(len(t) == batch_size for _, t in batches[:-1])


def test_slices_of_no_examples_are_refused_at_once():
    with pytest.raises(ValueError, match="batch_size is 0"):
        ResidentData(dataset(), Normalization()).test_slices(0)


@pytest.mark.parametrize("floats", [False, True])
def test_on_the_cpu_nothing_is_copied_and_uint8_stays_uint8(floats):
    decoded = dataset(floats=floats)
    resident = ResidentData(decoded, Normalization(mean=(0.5,), std=(0.1,)))
    assert resident.train_inputs.data_ptr() == decoded.train_inputs.data_ptr()
    assert resident.test_inputs.data_ptr() == decoded.test_inputs.data_ptr()
    assert resident.train_inputs.dtype == decoded.train_inputs.dtype
    assert resident.resident_bytes == 17 * 60 * (4 if floats else 1) + 17 * 8


@pytest.mark.parametrize("floats", [False, True])
@pytest.mark.parametrize(("mean", "std"), STATISTICS)
def test_normalising_a_slice_leaves_the_data_as_they_are(mean, std, floats):
    """Catches: an operation in place that reaches the data set itself, so that every epoch sees other images."""
    decoded = dataset(floats=floats)
    before = decoded.test_inputs.clone()
    for inputs, _ in ResidentData(decoded, Normalization(mean=mean, std=std)).test_slices(4):
        inputs.zero_()
    assert torch.equal(decoded.test_inputs, before)


def test_feature_vectors_may_be_normalised_by_feature():
    decoded = dataset(3, floats=True, shape=())
    assert decoded.input_shape == (3,)
    statistics = Normalization(mean=(1, 2, 3), std=(4, 5, 6))
    result = ResidentData(decoded, statistics).normalized(decoded.train_inputs)
    torch.testing.assert_close(result.double(), expected(decoded.train_inputs, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)))


@pytest.mark.parametrize("name", ["mean", "std"])
def test_statistics_of_another_number_of_channels_are_refused(name):
    with pytest.raises(DataError, match=rf"normalization\.{name} has 2 entries, expected 1 or .* 3 channels"):
        ResidentData(dataset(), Normalization(**{name: (0.5, 0.5)}))


def test_integer_batches_are_refused():
    with pytest.raises(DataError, match=r"torch\.int64, expected a floating point type"):
        ResidentData(dataset(), Normalization(), dtype=torch.int64)


@pytest.mark.gpu
def test_a_batch_can_be_captured_in_a_cuda_graph():
    """Catches: a hidden wait for the device in the training step."""
    resident = ResidentData(dataset(count=100), Normalization(mean=(0.1,) * 3, std=(0.2, 0.3, 0.4)), "cuda")
    indices = torch.arange(8, device="cuda")
    resident.train_batch(indices)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        inputs, targets = resident.train_batch(indices)
    indices.add_(50)
    graph.replay()
    wanted, labels = resident.train_batch(indices)
    assert torch.equal(inputs, wanted)
    assert torch.equal(targets, labels)
