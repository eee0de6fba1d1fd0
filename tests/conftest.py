"""What the tests share: each case on both cores, and the corpus where there is one."""

from __future__ import annotations

import importlib
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from smtpfast._core.pure_meaning import RuleMatcher
    from smtpfast.rules import Ruleset

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


def load_meaning(name: str) -> ModuleType:
    """The part of that core that says what replies mean; see `load_core`."""
    module = load_core(f"{name}_meaning")
    suffix = Path(module.__file__ or "").suffix
    assert (suffix == ".py") == (name == "pure"), "the test does not run the core it names"
    return module


@cache
def default_matcher(name: str) -> RuleMatcher:
    """The default rules on the core of that name."""
    ruleset = importlib.import_module("smtpfast.classifier").Classifier.default().ruleset
    matcher: RuleMatcher = load_meaning(name).RuleMatcher(ruleset)
    return matcher


@pytest.fixture(params=CORES)
def meaning(request: pytest.FixtureRequest) -> ModuleType:
    """What says what replies mean, of both cores, one after the other."""
    return load_meaning(request.param)


@pytest.fixture
def both_meanings() -> tuple[ModuleType, ModuleType]:
    """What says what replies mean, of the pure and of the compiled core."""
    return load_meaning("pure"), load_meaning("compiled")


@pytest.fixture(params=CORES)
def matcher(request: pytest.FixtureRequest) -> RuleMatcher:
    """The default rules on both cores, one after the other."""
    return default_matcher(request.param)


@pytest.fixture
def both_matchers() -> tuple[RuleMatcher, RuleMatcher]:
    """The default rules on the pure and on the compiled core."""
    return default_matcher("pure"), default_matcher("compiled")


@pytest.fixture
def rules_of(tmp_path: Path) -> Callable[..., Ruleset]:
    """The rules of some TOML, alone or before the default ones."""

    def read(*texts: str, with_defaults: bool = False) -> Ruleset:
        paths = []
        for number, text in enumerate(texts, 1):
            paths.append(tmp_path / f"own-{number}.toml")
            paths[-1].write_text(text, encoding="utf-8")
        ruleset: Ruleset = importlib.import_module("smtpfast.rules").ruleset_from(
            paths, with_defaults=with_defaults
        )
        return ruleset

    return read


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
