"""``benchsuite doctor``: check versions, devices, data sets and plugins."""

from __future__ import annotations

from benchsuite.cli.options import DataRootOption, JsonOption, SpecsOption, print_json, show


def doctor(data: DataRootOption = None, specs: SpecsOption = None, as_json: JsonOption = False) -> int:
    """Show versions, devices, data sets, plugins, and what is left out and why. Exit code 1 on any problem."""
    from benchsuite.api.doctor import doctor

    found = doctor(data_root=data, specs=specs)
    if as_json:
        print_json(found.as_data())
    else:
        show(found.parts())
    return 1 if found.problems else 0
