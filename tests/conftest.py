"""What the tests share: each case on both cores, and the corpus where there is one."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

CORES = ("pure", "compiled")
COMPILED_IS_REQUIRED = os.environ.get("SMTPFAST_BACKEND") == "compiled"


def load_core(name: str) -> ModuleType:
    """The core of that name; a compiled core that is absent skips the test, if it may be."""
    try:
        return importlib.import_module(f"smtpfast._core.{name}")
    except ModuleNotFoundError:
        if COMPILED_IS_REQUIRED:
            raise
        pytest.skip(f"the {name} core is not built")


@pytest.fixture(params=CORES)
def core(request: pytest.FixtureRequest) -> ModuleType:
    """Both cores, one after the other."""
    module = load_core(request.param)
    suffix = Path(module.__file__ or "").suffix
    assert (suffix == ".py") == (request.param == "pure"), "the test does not run the core it names"
    return module


@pytest.fixture
def both() -> tuple[ModuleType, ModuleType]:
    """The pure and the compiled core, for comparing them."""
    return load_core("pure"), load_core("compiled")


@pytest.fixture
def corpus() -> Callable[[str], Path]:
    """The path of a file of the corpus, which is no part of the project; skips without it."""
    default = Path(__file__).parents[2] / "shared" / "corpus"
    root = Path(os.environ.get("SMTPFAST_CORPUS", default))

    def find(name: str) -> Path:
        path = root / name
        if not path.exists():
            pytest.skip(f"no corpus at SMTPFAST_CORPUS: {name} is missing")
        return path

    return find
