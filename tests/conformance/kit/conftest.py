"""A virtual environment of its own, with the example distribution installed and this one's packages visible."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchsuite.registry.scaffold import create_contribution, create_rule_project

EXAMPLE = Path(__file__).parents[3] / "examples" / "third_party_rule"
MADE = ("dataset", "architecture", "diagnostic")
"""Made by `benchsuite new` and installed too, as ``my_dataset`` and so on; and a rule, ``my_rule``."""


@dataclass(frozen=True)
class ThirdPartyEnvironment:
    """A virtual environment that sees all of ours and has one distribution more.

    Attributes:
        python: its interpreter.
        project: the copy of the example that was installed; not on the interpreter's path.
        made: the folder with the projects that `benchsuite new` wrote, installed too.
        home: where its caches go.
    """

    python: Path
    project: Path
    made: Path
    home: Path

    def run(self, *arguments: str, cwd: Path | None = None, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        """Run its interpreter; output is captured, nothing is checked."""
        return subprocess.run(
            [str(self.python), *arguments],
            cwd=cwd or self.home,
            env=_environment(self.home),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def benchsuite(self, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
        """Run the command ``benchsuite`` in it."""
        return self.run("-c", "from benchsuite.cli.main import main; main()", *arguments, **options)


def _environment(home: Path) -> dict[str, str]:
    """Return our environment without what would point an interpreter or pytest back at this one."""
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST"}
    kept = {k: v for k, v in os.environ.items() if k not in hidden}
    return {**kept, "XDG_CACHE_HOME": str(home / "cache")}


@pytest.fixture(scope="session")
def third_party_environment(tmp_path_factory) -> ThirdPartyEnvironment:
    """Install ``examples/third_party_rule`` and new projects beside, not into, the environment the tests run in.

    Our site-packages are made visible through a ``.pth`` file, so nothing as large as torch is installed again. Only
    the build backend (hatchling) comes from the package registry. uv is used where it is, else the venv module and pip.
    """
    folder = tmp_path_factory.mktemp("third_party")
    project = folder / "project"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    made = folder / "made"
    create_rule_project("my_rule", made)
    for kind in MADE:
        create_contribution(kind, f"my_{kind}", made)
    environment = folder / "environment"
    uv = shutil.which("uv")
    if uv:
        _checked([uv, "venv", "--no-project", "--python", sys.executable, str(environment)], folder)
    else:
        _checked([sys.executable, "-m", "venv", str(environment)], folder)
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if uv:
        install = [uv, "pip", "install", "--no-deps", "--python", str(python)]
    else:
        install = [str(python), "-m", "pip", "install", "--no-deps"]
    new = [word for name in ("rule", *MADE) for word in ("-e", str(made / f"my_{name}"))]
    _checked([*install, str(project), *new], folder)
    # Only now: an installer must not see, and so cannot touch, what lies in ours.
    ours = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    lines = [f"import site; site.addsitedir({path!r})" for path in ours]
    command = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site_packages = Path(_checked([str(python), "-c", command], folder).strip())
    (site_packages / "packages_of_the_tests.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ThirdPartyEnvironment(python, project, made, folder)


def _checked(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, env=_environment(folder), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout
