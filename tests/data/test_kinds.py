"""Oracle: the spec models, which name the kinds; what reads each is in one other table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchsuite.data.availability import availability, size_on_paper
from benchsuite.data.builtin import BUILT_IN
from benchsuite.data.kind import Availability, DatasetKind, DatasetSize
from benchsuite.data.load import load_dataset
from benchsuite.data.tensors import DecodedDataset
from benchsuite.errors import DataError
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.kinds import SPEC_KINDS
from benchsuite.specs.models.dataset import PluginDataset

SPEC = PluginDataset(kind="plugin", name="theirs", reader="own", options={"examples": 4})


def test_every_kind_that_a_spec_may_say_is_read_by_its_own() -> None:
    """Catches a kind with a spec and no reader, or with that of another."""
    assert set(BUILT_IN) == SPEC_KINDS["datasets"].tags
    for name, kind in BUILT_IN.items():
        assert name in kind.spec.model_fields["kind"].annotation.__args__


def test_built_in_data_sets_come_in_by_the_hook(registry: Registry) -> None:
    """Catches an installation in which a plugin's reader takes a built-in name unseen."""
    assert {name: registry.datasets[name] for name in BUILT_IN} == dict(BUILT_IN)
    assert registry.origins["dataset", "mnist"].value == "benchsuite.data.builtin"


def own_kind() -> DatasetKind[PluginDataset]:
    def read(spec, access):
        count = spec.options["examples"]
        inputs, targets = torch.zeros(count, 1, 2, 2, dtype=torch.uint8), torch.arange(count) % 2
        return DecodedDataset(inputs, targets, inputs.clone(), targets.clone(), classes=2)

    return DatasetKind(
        PluginDataset,
        read=read,
        look=lambda spec, access: Availability(False, f"put it into {access.data_root}"),
        size=lambda spec, access: DatasetSize((1, 2, 2), 2, spec.options["examples"], 4),
    )


def test_a_plugin_may_bring_a_kind_that_says_more_than_a_reader() -> None:
    """Catches a list that calls a plugin's missing data found, and a plan that has to read them."""
    brought = {"own": own_kind()}
    assert availability(SPEC, Path("/root"), brought) == Availability(False, "put it into /root")
    assert size_on_paper(SPEC, Path("/root"), brought) == DatasetSize((1, 2, 2), 2, 4, 4)
    assert load_dataset(SPEC, Path("/root"), brought).input_shape == (1, 2, 2)
    assert size_on_paper(SPEC, Path("/root"), {"own": lambda options, root: None}) is None


def test_a_built_in_kind_is_no_plugins_reader() -> None:
    """Catches ``kind: plugin`` with a built-in name, which would read it with another spec's fields."""
    spec = SPEC.model_copy(update={"reader": "mnist"})
    with pytest.raises(DataError, match="write kind: mnist"):
        load_dataset(spec, Path("/root"), BUILT_IN)


def test_naming_the_kinds_loads_nothing_heavy() -> None:
    """Catches a reader imported with its kind: a listing of data sets would wait for torch."""
    code = (
        "import sys, benchsuite.data.builtin;"
        "print([m for m in ('torch', 'torchvision', 'numpy', 'sklearn', 'PIL') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
