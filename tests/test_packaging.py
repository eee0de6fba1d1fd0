"""What is packed: the sdist builds by itself, and a wheel holds what runs and nothing more.

Everything is built from a copy, without isolation, for nothing may be downloaded.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from email import message_from_string
from importlib import metadata
from pathlib import Path

import pytest

import smtpfast

ROOT = Path(__file__).parents[1]
FILES = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "MANIFEST.in",
    "README.md",
    "SECURITY.md",
    "pyproject.toml",
    "setup.py",
)
FOLDERS = ("src", "tests", "benchmarks", "docs", "examples")
NOT_COPIED = shutil.ignore_patterns(
    *("*.egg-info", "__pycache__", "*.so", "*.pyd", "*.c", ".*", "*.marshal")
)
# What building and running leaves behind, and no archive may take along.
LEFTOVERS = (
    "src/smtpfast/_core/compiled.c",
    "src/smtpfast/_core/compiled.so",
    "src/smtpfast/_core/compiled.pyd",
    "src/smtpfast/_core/compiled_meaning.c",
    "src/smtpfast/rules/default.marshal",
    "tests/__pycache__/test_packaging.pyc",
)


def numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]+", version)]


def require_what_builds() -> None:
    """Skip unless `build` and what pyproject.toml builds with are installed."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        requirements = tomllib.load(file)["build-system"]["requires"]
    for requirement in ("build>=1", *requirements):
        name, oldest = requirement.split(">=")
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            pytest.skip(f"{name} is not installed")
        if numbers(found) < numbers(oldest):
            pytest.skip(f"{name} {found} is older than {oldest}")


def run(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, with the settings given and none that are ours by chance."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SMTPFAST_") and name not in {"CC", "CFLAGS", "LDSHARED"}
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=300,
        check=False,
    )


def build(folder: Path, kind: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "-m", "build", "--no-isolation", f"--{kind}", **settings)


def build_wheel(folder: Path, **settings: str) -> Path:
    done = build(folder, "wheel", **settings)
    assert done.returncode == 0, done.stdout
    [wheel] = (folder / "dist").iterdir()
    return wheel


def unpack(sdist: Path, folder: Path) -> Path:
    """The sdist's tree, fresh: an older build folder could supply the extension of another."""
    with tarfile.open(sdist) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.4
        archive.extractall(folder)
    return folder / sdist.name.removesuffix(".tar.gz")


def packed(wheel: Path) -> set[str]:
    """The files of a wheel, without those of its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def modules(tree: Path) -> set[str]:
    """What every wheel holds: the modules, the mark that they are typed, the rules."""
    source = tree / "src"
    found = {
        path.relative_to(source).as_posix()
        for pattern in ("*.py", "*.toml", "*.css", "*.js")
        for path in (source / "smtpfast").rglob(pattern)
    }
    return found | {"smtpfast/py.typed", "smtpfast/rules/default.marshal"}


def backend(wheel: Path, folder: Path) -> str:
    """The core that the wheel's command says it runs on, left to itself."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    done = run(folder, "-m", "smtpfast", "--version", PYTHONPATH=str(folder))
    said = re.search(r"^smtpfast (\S+) \((\w+) core", done.stdout, re.MULTILINE)
    assert said, done.stdout
    assert said[1] == smtpfast.__version__
    return said[2]


def build_sdist(tree: Path, **settings: str) -> Path:
    """The sdist of a new copy of the source tree, in which leftovers of building lie about."""
    require_what_builds()
    for name in FILES:
        shutil.copy(ROOT / name, tree)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tree / name, ignore=NOT_COPIED)
    for name in LEFTOVERS:
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_bytes(b"left over")
    done = build(tree, "sdist", **settings)
    assert done.returncode == 0, done.stdout
    [archive] = (tree / "dist").iterdir()
    return archive


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_sdist(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def pure_wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = unpack(sdist, tmp_path_factory.mktemp("pure"))
    return build_wheel(tree, SMTPFAST_BUILD="pure")


@pytest.fixture
def tree(sdist: Path, tmp_path: Path) -> Path:
    return unpack(sdist, tmp_path)


@pytest.fixture
def compiler() -> None:
    """Skip without the compiler that this Python names, which it does on Unix only."""
    command = shlex.split(sysconfig.get_config_var("CC") or "")
    if sys.platform == "win32" or not command or shutil.which(command[0]) is None:
        pytest.skip("no C compiler was found")
    if sys.implementation.name != "cpython":
        pytest.skip("the extension is for CPython")


@pytest.fixture
def no_compiler() -> str:
    """A value of CC with which nothing compiles."""
    command = shutil.which("false")
    if sys.platform == "win32" or command is None:
        pytest.skip("CC chooses no compiler here")
    return command


@pytest.mark.parametrize("wanted", ["auto", "pure"])
def test_sdist_holds_the_sources_and_nothing_else(wanted: str, tmp_path: Path) -> None:
    with tarfile.open(build_sdist(tmp_path, SMTPFAST_BUILD=wanted)) as archive:
        files = [member.name for member in archive.getmembers() if member.isfile()]
    names = {name.partition("/")[2] for name in files if ".egg-info/" not in name}
    sources = {
        path.relative_to(tmp_path).as_posix()
        for folder in FOLDERS
        for path in (tmp_path / folder).rglob("*")
        if path.is_file() and path.parent.suffix != ".egg-info"
    } - set(LEFTOVERS)
    assert names == {*sources, *FILES, "PKG-INFO", "setup.cfg"}
    assert {name.partition("/")[0] for name in sources} == set(FOLDERS), "a folder is empty"
    assert {"src/smtpfast/_core/compiled.pyx", "src/smtpfast/_core/scan.h"} <= names


def test_a_wheel_has_the_rules_worked_out(pure_wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(pure_wheel) as archive:
        archive.extractall(tmp_path)
    code = (
        "import sys; from smtpfast import diagnose;"
        "print(diagnose(b'550 5.1.1 no such user').reason, 'tomllib' in sys.modules)"
    )
    done = run(tmp_path, "-c", code, PYTHONPATH=str(tmp_path))
    assert done.stdout == "bad_mailbox False\n"


def test_pure_wheel(pure_wheel: Path, tree: Path, tmp_path: Path) -> None:
    assert pure_wheel.name == f"smtpfast-{smtpfast.__version__}-py3-none-any.whl"
    assert packed(pure_wheel) == modules(tree)
    assert backend(pure_wheel, tmp_path / "installed") == "pure"


def test_metadata(pure_wheel: Path) -> None:
    with zipfile.ZipFile(pure_wheel) as archive:
        members = {
            name.partition(".dist-info/")[2]: archive.read(name).decode()
            for name in archive.namelist()
            if ".dist-info/" in name
        }
    fields = message_from_string(members["METADATA"])
    assert fields["Version"] == smtpfast.__version__
    assert fields["License-Expression"] == "Apache-2.0"
    assert fields["Requires-Python"] == ">=3.11"
    for requirement in fields.get_all("Requires-Dist", []):
        assert "extra ==" in requirement, "the core has no dependency"
    assert "Apache License" in members["licenses/LICENSE"]
    scripts = "[console_scripts]\nsmtpfast = smtpfast.cli:main"
    assert members["entry_points.txt"].strip() == scripts


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("wanted", ["auto", "compiled"])
def test_compiled_wheel(wanted: str, tree: Path, tmp_path: Path) -> None:
    wheel = build_wheel(tree, SMTPFAST_BUILD=wanted)
    _, _, python, abi, platform = wheel.stem.split("-")
    assert python == f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert abi.startswith(python)
    assert platform.startswith(re.split("[-_]", sysconfig.get_platform())[0])
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    names = "compiled", "compiled_meaning", "compiled_logs", "compiled_arrow"
    extensions = {f"smtpfast/_core/{name}{suffix}" for name in names}
    assert packed(wheel) == modules(tree) | extensions
    assert backend(wheel, tmp_path / "installed") == "compiled"


def test_auto_falls_back_without_a_compiler(no_compiler: str, tree: Path, tmp_path: Path) -> None:
    wheel = build_wheel(tree, SMTPFAST_BUILD="auto", CC=no_compiler)
    assert packed(wheel) == modules(tree)
    assert backend(wheel, tmp_path / "installed") == "pure"


def test_compiled_fails_without_a_compiler(no_compiler: str, tree: Path) -> None:
    done = build(tree, "wheel", SMTPFAST_BUILD="compiled", CC=no_compiler)
    assert done.returncode != 0
    assert no_compiler in done.stdout, "it failed for another reason"
    assert list(tree.glob("dist/*")) == []


@pytest.mark.parametrize("word", ["nonsense", "", "Pure", "0"])
def test_another_word_fails_and_names_the_three(word: str, tree: Path) -> None:
    done = build(tree, "wheel", SMTPFAST_BUILD=word)
    assert done.returncode != 0
    assert f"SMTPFAST_BUILD={word!r}: expected auto, pure or compiled" in done.stdout


def test_version_is_written_once() -> None:
    written = re.compile(rf"""["']{re.escape(smtpfast.__version__)}["']""")
    places = [ROOT / "pyproject.toml", ROOT / "setup.py"]
    places += [path for path in (ROOT / "src").rglob("*") if path.suffix in {".py", ".pyx", ".h"}]
    found = [
        (path.relative_to(ROOT).as_posix(), line)
        for path in places
        for line in path.read_text("utf-8").splitlines()
        if written.search(line)
    ]
    assert found == [("src/smtpfast/__init__.py", f'__version__ = "{smtpfast.__version__}"')]
