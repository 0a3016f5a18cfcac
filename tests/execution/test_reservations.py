"""Oracle: the documentation of hardware specs. What a run reserves on a machine of a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from benchsuite.errors import HardwareError
from benchsuite.execution.reservations import Resources, resources_for
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite.specs.loading.resolve import Selection, resolve

from ..small_runs import MakeSpec


def test_runs_reserve_what_their_hardware_says(make_spec: MakeSpec) -> None:
    def need(**hardware: Any) -> Resources:
        return resources_for(make_spec(hardware={"name": "a", **hardware}))

    assert need(device="cpu") == Resources(1, 0, 0)
    assert need(device="cpu", threads=4, memory_gib=2, loader_processes=3) == Resources(4, 0, 2 * 2**30)
    shared = need(device="cuda", memory_gib=20, device_share=0.25)
    assert shared == Resources(1, 0.25, 0)
    assert shared.fits({"CPU": 1, "GPU": 1})
    assert not shared.fits({"CPU": 1})


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"device": "cuda:1"}, "say cuda without a number"), ({"world_size": 2}, "which torchrun starts")],
)
def test_hardware_that_ray_cannot_share_out_is_refused(
    make_spec: MakeSpec, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(HardwareError, match=message):
        resources_for(make_spec(hardware={"name": "odd", "device": "cuda", **changes}))


def test_processes_that_decode_images_are_reserved_too(registry: Registry) -> None:
    """Catches four runs packed on a GPU that start four times as many processes as the machine has cores."""
    library = SpecLibrary([builtin_folder()])
    (run,) = resolve(Selection("imagenet-resnet18", rules=("backprop",), tier="smoke", seeds=(0,)), library, registry)
    with pytest.raises(HardwareError, match=r"hardware\.loader_processes=8"):
        resources_for(run.spec)
    hardware = run.spec.hardware.model_copy(update={"device": "cuda", "threads": 2, "loader_processes": 6})
    assert resources_for(run.spec.model_copy(update={"hardware": hardware})) == Resources(8, 1, 0)
