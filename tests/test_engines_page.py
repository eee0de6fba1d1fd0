"""The page of the engines: every example runs and prints what it shows, and its tables are true."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from smtpfast import BACKEND, arrow

pa = pytest.importorskip("pyarrow")

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
BEGIN, *SECTIONS = re.split(r"^## ", PAGE, flags=re.MULTILINE)
# What each section needs beside pyarrow.
MODULES = {
    "Arrow": [],
    "Polars": ["polars"],
    "DuckDB": ["duckdb", "numpy"],
    "pandas": ["pandas"],
    "PySpark": ["pyspark"],
    "Dask": ["dask", "pandas"],
    "Ray": ["ray"],
    "Daft": ["daft"],
    "DataFusion": ["datafusion"],
}
SPARK_OPTIONS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.log.level": "ERROR",
    "spark.sql.shuffle.partitions": "2",
}
ENVIRONMENT = {
    "PYTHONIOENCODING": "utf-8",
    "SPARK_LOCAL_IP": "127.0.0.1",
    "PYSPARK_PYTHON": sys.executable,
    "PYSPARK_SUBMIT_ARGS": " ".join(
        [
            "--master local[2]",
            *(f"--conf {name}={value}" for name, value in SPARK_OPTIONS.items()),
            "pyspark-shell",
        ]
    ),
    # Nothing is told to anybody, nor left in the home of who runs this.
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
}


def blocks(text: str, language: str) -> str:
    return "".join(re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def name_of(section: str) -> str:
    return section.partition("\n")[0]


def run(program: str, folder: Path) -> str:
    """What a program prints, in a process of its own: engines leave much behind."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=os.environ | ENVIRONMENT,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def lines(text: str) -> list[str]:
    """Without those that are empty, as Spark has them behind a table."""
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def rows(header: str) -> list[list[str]]:
    """The cells of the table whose header begins so."""
    _, found, rest = PAGE.partition(f"\n| {header} |")
    assert found
    table = rest.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the examples find what they read."""
    path = tmp_path_factory.mktemp("engines")
    shutil.copytree(ROOT / "examples", path / "examples")
    assert run(blocks(BEGIN, "python"), path) == ""
    return path


@pytest.mark.parametrize("section", SECTIONS, ids=name_of)
def test_the_examples_print_what_the_page_shows(section: str, folder: Path) -> None:
    name = name_of(section)
    for module in MODULES[name]:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    if name == "PySpark":
        home = os.environ.get("JAVA_HOME")
        if not shutil.which("java") and not (home and Path(home, "bin", "java").exists()):
            pytest.skip("Spark needs Java")
        if BACKEND != "compiled":
            pytest.skip("Spark takes the pure core only if it is told so")
    assert lines(run(blocks(section, "python"), folder)) == lines(blocks(section, "text"))


def test_every_engine_of_the_table_has_its_section() -> None:
    linked = re.findall(r"\[(\w+)\]\(#\w+\)", PAGE)
    assert linked == [name_of(section) for section in SECTIONS] == [*MODULES]


def test_the_types_are_those_that_come_out() -> None:
    kinds = {
        "int8": pa.int8(),
        "int16": pa.int16(),
        "int32": pa.int32(),
        "bool": pa.bool_(),
        "utf8": pa.utf8(),
        "large_utf8": pa.large_utf8(),
        "large_binary": pa.large_binary(),
        "dictionary<int8, utf8>": pa.dictionary(pa.int8(), pa.utf8()),
        "dictionary<int32, utf8>": pa.dictionary(pa.int32(), pa.utf8()),
    }
    shown = {row[0].strip("`"): re.findall("`([^`]+)`", row[1]) for row in rows("field")}
    assert tuple(shown) == arrow.FIELDS
    for given, which in (("550 no", 0), (b"550 no", -1)):
        made = pa.record_batch(arrow.diagnose(pa.array([given]), fields=arrow.FIELDS))
        wanted = {name: kinds[each[which]] for name, each in shown.items()}
        assert dict(zip(made.schema.names, made.schema.types, strict=True)) == wanted


def test_the_extras_ask_for_what_the_table_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    told = set()
    for _, install, oldest, _ in rows("engine"):
        [extra] = re.findall(r"smtpfast\[(\w+)\]", install)
        for name, version in re.findall(r"(\w+) ([\d.]+)", oldest):
            assert f"{name}>={version}" in extras[extra]
            told.add(extra)
    assert told == {"arrow", "polars", "duckdb", "pandas", "spark"}
    assert "all" in extras
