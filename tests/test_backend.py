"""How the core is chosen, what importing costs, and the order of the layers.

Each case runs in an interpreter of its own, most of them with a copy of the package: one without
the extension, one with a broken one.
"""

from __future__ import annotations

import ast
import inspect
import os
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import smtpfast

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PACKAGE = Path(smtpfast.__file__).parent


def run(
    code: str, package_root: Path = PACKAGE.parent, backend: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run code that imports the package from there and from nowhere else."""
    environment = {name: value for name, value in os.environ.items() if name != "SMTPFAST_BACKEND"}
    if backend is not None:
        environment["SMTPFAST_BACKEND"] = backend
    # Without site-packages nothing but the standard library can stand beside it.
    start = f"import sys; sys.path.insert(0, {str(package_root)!r})\n"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", start + code],
        capture_output=True,
        encoding="utf-8",
        env=environment,
        timeout=60,
        check=False,
    )


WHICH_CORE = """
import smtpfast
from smtpfast import _core
functions = [getattr(_core, name) for name in _core.__all__ if name != "BACKEND"]
assert smtpfast.BACKEND == _core.BACKEND
assert {each.__module__ for each in functions} == {"smtpfast._core." + smtpfast.BACKEND}
assert issubclass(smtpfast.ReplyParser, _core.StreamState)
assert smtpfast.classify(b"550 5.1.1 x")[::3] == (550, (5, 1, 1))
print(smtpfast.BACKEND)
"""


def core_chosen(package_root: Path, backend: str | None) -> str:
    result = run(WHICH_CORE, package_root, backend)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def last_line(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 1, result.stdout
    return result.stderr.strip().splitlines()[-1]


@pytest.fixture
def copied_root(tmp_path: Path) -> Path:
    """The place of a copy of the package without the extension."""
    shutil.copytree(
        PACKAGE,
        tmp_path / "smtpfast",
        ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"),
    )
    return tmp_path


# --- The switch -----------------------------------------------------------------------------


def test_this_run_uses_the_core_that_it_says() -> None:
    assert {getattr(smtpfast, name).__module__ for name in ("classify", "lookup", "describe")} == {
        f"smtpfast._core.{smtpfast.BACKEND}"
    }


def test_pure_is_always_there() -> None:
    assert core_chosen(PACKAGE.parent, "pure") == "pure"


def test_pure_does_not_even_load_the_extension() -> None:
    loaded = run("import smtpfast; print('smtpfast._core.compiled' in sys.modules)", backend="pure")
    assert loaded.stdout.strip() == "False", loaded.stderr


def test_compiled_and_auto_take_the_extension(both: tuple[ModuleType, ModuleType]) -> None:
    assert both[1].__name__ == "smtpfast._core.compiled"
    assert core_chosen(PACKAGE.parent, "compiled") == "compiled"
    assert core_chosen(PACKAGE.parent, "auto") == "compiled"
    assert core_chosen(PACKAGE.parent, None) == "compiled"


@pytest.mark.parametrize("word", ["nonsense", "", "PURE", "Compiled", "1", " pure"])
def test_another_word_is_an_error(word: str) -> None:
    result = run("import smtpfast", backend=word)
    assert last_line(result) == (
        f"smtpfast.errors.SmtpFastError: SMTPFAST_BACKEND={word!r}: expected auto, pure or compiled"
    )


# --- Absent is fine -------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["auto", None, "pure"])
def test_without_the_extension_the_pure_core_steps_in(
    copied_root: Path, backend: str | None
) -> None:
    assert core_chosen(copied_root, backend) == "pure"


def test_without_the_extension_compiled_is_an_error(copied_root: Path) -> None:
    result = run("import smtpfast", copied_root, "compiled")
    assert last_line(result) == "ModuleNotFoundError: No module named 'smtpfast._core.compiled'"


def test_half_of_the_extensions_is_as_good_as_none(
    copied_root: Path, both: tuple[ModuleType, ModuleType]
) -> None:
    shutil.copy(both[1].__file__ or "", copied_root / "smtpfast" / "_core")
    assert core_chosen(copied_root, "auto") == "pure"
    code = "from smtpfast import diagnose; print(diagnose('550 5.1.1 no such user').reason)"
    assert run(code, copied_root, "auto").stdout == "bad_mailbox\n"
    result = run("import smtpfast", copied_root, "compiled")
    assert last_line(result) == (
        "ModuleNotFoundError: the compiled core is incomplete: install smtpfast again"
    )


def test_an_importer_that_hides_the_extension_makes_it_absent() -> None:
    code = """
class Hides:
    def find_spec(self, name, path=None, target=None):
        if name == "smtpfast._core.compiled":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hides())
"""
    result = run(code + WHICH_CORE)
    assert result.stdout.strip() == "pure", result.stderr
    assert "ModuleNotFoundError" in last_line(run(code + WHICH_CORE, backend="compiled"))


# --- Broken is loud -------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["auto", None, "compiled"])
@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("raise ImportError('undefined symbol: x')", "ImportError: undefined symbol: x"),
        ("import module_of_another_name", "No module named 'module_of_another_name'"),
        ("from . import module_beside_it", "ImportError: cannot import name 'module_beside_it'"),
        ("from .. import enhanced_gone", "ImportError: cannot import name 'enhanced_gone'"),
        ("def classify(line, /): ...", "ImportError: cannot import name"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_an_extension_that_does_not_load_is_an_error(
    copied_root: Path, source: str, error: str, backend: str | None
) -> None:
    (copied_root / "smtpfast" / "_core" / "compiled.py").write_text(source, encoding="utf-8")
    assert error in last_line(run("import smtpfast", copied_root, backend))


@pytest.mark.parametrize("backend", ["auto", None, "compiled"])
def test_an_extension_that_is_no_library_is_an_error(
    copied_root: Path, backend: str | None
) -> None:
    extension = copied_root / "smtpfast" / "_core" / f"compiled{EXTENSION_SUFFIXES[0]}"
    extension.write_bytes(b"not a shared library")
    assert last_line(run("import smtpfast", copied_root, backend)).startswith("ImportError")


def test_a_broken_extension_does_not_matter_to_the_pure_core(copied_root: Path) -> None:
    (copied_root / "smtpfast" / "_core" / "compiled.py").write_text("1 / 0", encoding="utf-8")
    assert core_chosen(copied_root, "pure") == "pure"


# --- What an import loads -------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["pure", "auto"])
def test_an_import_loads_nothing_slow_and_nothing_of_others(backend: str) -> None:
    code = """
before = set(sys.modules)
import smtpfast
print(*sorted(set(sys.modules) - before))
"""
    result = run(code, backend=backend)
    assert result.returncode == 0, result.stderr
    loaded = {name.partition(".")[0] for name in result.stdout.split()}
    # Cython's own, which holds what its extensions share, comes with the extension.
    others = {name for name in loaded - sys.stdlib_module_names if "cython" not in name}
    assert others == {"smtpfast"}
    slow = {"typing", "re", "asyncio", "argparse", "json", "socket", "ssl", "logging", "inspect"}
    assert loaded & (slow | {"dataclasses", "importlib", "subprocess", "email", "smtplib"}) == set()
    assert not any(name.startswith(("smtpfast.cli", "smtpfast.__main__")) for name in loaded)


def test_an_import_writes_nothing_and_reads_only_the_switch() -> None:
    code = """
import os
class Watched(dict):
    asked = set()
    def get(self, name, default=None):
        self.asked.add(name)
        return dict.get(self, name, default)
    def __getitem__(self, name):
        self.asked.add(name)
        return dict.__getitem__(self, name)
os.environ = Watched(os.environ)
import smtpfast
assert Watched.asked == {"SMTPFAST_BACKEND"}, Watched.asked
"""
    result = run(code)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


# --- The public names -----------------------------------------------------------------------


def test_all_is_sorted_and_complete() -> None:
    names = smtpfast.__all__
    assert names == sorted(set(names))
    for name in names:
        getattr(smtpfast, name)  # what needs the rules is loaded now
    present = {
        name
        for name, value in vars(smtpfast).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    } - {"TYPE_CHECKING"}
    assert {name for name in names if not name.startswith("_")} == present
    assert [name for name in names if name.startswith("_")] == ["__version__"]


@pytest.mark.parametrize("name", smtpfast.__all__)
def test_a_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(smtpfast, name)
    if name in ("BACKEND", "__version__"):
        assert type(value) is str
        return
    assert value.__doc__
    assert value.__name__ == name
    if isinstance(value, type):
        for member, attribute in vars(value).items():
            is_callable = inspect.isroutine(attribute) or isinstance(attribute, property)
            if is_callable and not member.startswith("_"):
                assert inspect.getdoc(getattr(value, member)), f"{name}.{member}"


def test_everything_that_a_parser_offers_is_documented() -> None:
    for member in ("feed", "close", "reset", "buffered"):
        assert inspect.getdoc(getattr(smtpfast.ReplyParser, member)), member


def test_a_star_import_gives_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from smtpfast import *", names)
    assert set(names) - {"__builtins__"} == set(smtpfast.__all__)


def test_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").read_bytes() == b""


# --- The layers -----------------------------------------------------------------------------

# From the ground up; a module imports from its own row or below. The package itself, which only
# gathers names, stands above all but the command.
LAYERS = (
    ("octets", "records", "errors", "status", "compression"),
    ("registry", "enhanced", "reasons", "joins", "blocks"),
    ("reply", "rules", "meaning", "log_record"),
    ("log_columns", "outcomes", "arrow_columns"),
    ("_core",),
    ("defects", "stream", "classifier", "accuracy"),
    ("recipients", "logs"),
    ("logfiles",),
    ("arrow",),
    ("report", "polars", "duckdb", "pandas", "spark", "spark_maillog"),
    ("",),
    ("cli", "__main__"),
)
# Of the extras in pyproject.toml: whoever needs them says what to install where they are absent.
OTHERS = {
    "cli": {"pyarrow", "rich"},
    "compression": {"zstandard"},
    "_core": {"pyarrow"},
    "polars": {"polars"},
    "duckdb": {"duckdb", "pyarrow"},
    "pandas": {"pandas", "pyarrow"},
    "spark": {"pyspark", "pyarrow"},
    "spark_maillog": {"pyspark", "pyarrow", "fsspec"},
}
ROWS = {name: row for row, names in enumerate(LAYERS) for name in names}
SOURCES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def part_of(module: str) -> str:
    """The part of the package that a module belongs to; "" is the package itself."""
    return module.removeprefix("smtpfast").strip(".").partition(".")[0]


def imports_at_run_time(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """All imports, within functions too, but those for the type checker, which never run."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for other in node.orelse:
                yield from imports_at_run_time(ast.Module([other], []))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        else:
            yield from imports_at_run_time(node)


def imported_modules(source: Path) -> set[str]:
    """The modules that a source file imports, by their full names."""
    package = ["smtpfast", *source.parts[:-1]]
    tree = ast.parse((PACKAGE / source).read_text(encoding="utf-8"))
    found = set()
    for node in imports_at_run_time(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
            continue
        above = package[: len(package) - node.level + 1] if node.level else []
        origin = ".".join([*above, *filter(None, [node.module])])
        for alias in node.names:
            # `from . import classify` may mean a module or a name in one.
            is_module = is_part(f"{origin}.{alias.name}")
            found.add(f"{origin}.{alias.name}" if is_module else origin)
    return found


def is_part(module: str) -> bool:
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path.with_suffix(".py").exists() or path.joinpath("__init__.py").exists()


def test_every_module_has_its_row() -> None:
    parts = {part_of(".".join(["smtpfast", *source.with_suffix("").parts])) for source in SOURCES}
    assert {"" if part == "__init__" else part for part in parts} == set(ROWS)


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_a_module_imports_from_its_own_row_or_below(source: Path) -> None:
    part = part_of(".".join(["smtpfast", *source.with_suffix("").parts]))
    row = ROWS["" if part == "__init__" else part]
    for module in imported_modules(source):
        top = module.partition(".")[0]
        if top == "smtpfast":
            assert ROWS[part_of(module)] <= row, f"{source} imports {module}"
        elif top not in OTHERS.get(part, ()):
            assert top in sys.stdlib_module_names, f"{source} imports {module}"


def test_the_compiled_core_imports_from_its_own_row_or_below(
    both: tuple[ModuleType, ModuleType],
) -> None:
    # Its source is not installed with the package, but what it imported is in its names.
    modules = {getattr(value, "__module__", None) or "" for value in vars(both[1]).values()}
    ours = {module for module in modules if module.partition(".")[0] == "smtpfast"}
    assert "smtpfast._core.compiled" in ours
    assert [module for module in ours if ROWS[part_of(module)] > ROWS["_core"]] == []


def test_the_other_compiled_core_imports_from_its_own_row_or_below(
    both_meanings: tuple[ModuleType, ModuleType],
) -> None:
    modules = {
        getattr(value, "__module__", None) or "" for value in vars(both_meanings[1]).values()
    }
    ours = {module for module in modules if module.partition(".")[0] == "smtpfast"}
    assert ours >= {"smtpfast._core.compiled_meaning", "smtpfast.meaning", "smtpfast.reasons"}
    assert [module for module in ours if ROWS[part_of(module)] > ROWS["_core"]] == []


def test_the_test_of_layers_sees_imports() -> None:
    assert imported_modules(Path("__init__.py")) >= {"smtpfast._core", "smtpfast.stream"}
    assert imported_modules(Path("stream.py")) >= {"smtpfast._core"}
    assert "smtpfast.reply" in imported_modules(Path("_core/pure.py"))
    # Only for the type checker, which may look up.
    assert "smtpfast.reply" not in imported_modules(Path("errors.py"))


def test_only_the_command_and_the_switch_touch_the_world() -> None:
    worldly = {"os", "sys", "socket", "ssl", "time", "subprocess", "pathlib", "argparse", "logging"}
    # The rules are files, the package's and the user's own.
    read_rules = {Path("rules/__init__.py"), Path("classifier.py")}
    # Those that scan logs read them in their own processes.
    read_logs = {Path(f"{name}.py") for name in ("blocks", "logfiles", "polars", "spark_maillog")}
    for source in SOURCES:
        tops = {module.partition(".")[0] for module in imported_modules(source)}
        if source.parts[0] == "cli" or source in (Path("__main__.py"), Path("_core/__init__.py")):
            continue
        files = {"os", "sys", "pathlib"} if source in read_rules | read_logs else set()
        assert tops & worldly <= files, source


def test_an_import_reads_no_rules() -> None:
    # They take longer than all else: they are read when they are first asked for.
    code = """
import smtpfast
assert not {"Classifier", "diagnose"} & {*vars(smtpfast)}
assert not {"smtpfast.rules", "smtpfast.classifier", "smtpfast._core.meaning"} & {*sys.modules}
assert {"Classifier", "diagnose", "diagnose_lines"} <= {*smtpfast.__all__}
try:
    smtpfast.nonsense
except AttributeError as error:
    assert str(error) == "module 'smtpfast' has no attribute 'nonsense'"
assert smtpfast.diagnose("550 5.1.1 User unknown").reason == "bad_mailbox"
assert smtpfast.diagnose is vars(smtpfast)["diagnose"]
assert "smtpfast.rules" in sys.modules
"""
    for backend in ("pure", "auto"):
        result = run(code, backend=backend)
        assert (result.returncode, result.stderr) == (0, ""), backend


MEANING_OF = """
import smtpfast
from smtpfast._core import meaning
assert issubclass(smtpfast.Classifier, meaning.RuleMatcher)
print(smtpfast.BACKEND, meaning.RuleMatcher.__module__)
"""


@pytest.mark.parametrize("backend", ["pure", "compiled"])
def test_what_says_what_replies_mean_is_of_the_core_that_was_chosen(
    both_meanings: tuple[ModuleType, ModuleType], backend: str
) -> None:
    result = run(MEANING_OF, backend=backend)
    assert result.stdout.split() == [backend, f"smtpfast._core.{backend}_meaning"], result.stderr


def test_pure_does_not_even_load_the_other_extension() -> None:
    code = "import smtpfast; smtpfast.diagnose('550 x'); print(*sys.modules)"
    result = run(code, backend="pure")
    assert result.returncode == 0, result.stderr
    loaded = {name for name in result.stdout.split() if name.startswith("smtpfast._core.")}
    assert not [name for name in loaded if "compiled" in name]


def test_without_the_extensions_the_pure_core_says_what_replies_mean(copied_root: Path) -> None:
    result = run(MEANING_OF, copied_root)
    assert result.stdout.split() == ["pure", "smtpfast._core.pure_meaning"], result.stderr
