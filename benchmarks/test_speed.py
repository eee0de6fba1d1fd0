"""The cases of cases.py under pytest-benchmark, for those who compare two runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cases import GROUPS

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from cases import Case, Way

WAYS = [
    pytest.param(case, way, id=f"{group}: {case.name}: {way.who}")
    for group, make_cases in GROUPS.items()
    for case in make_cases()
    for way in case.ways
]


@pytest.mark.benchmark(max_time=0.3)
@pytest.mark.parametrize(("case", "way"), WAYS)
def test_speed(benchmark: BenchmarkFixture, case: Case, way: Way) -> None:
    benchmark.group = case.name
    benchmark.extra_info["handles"] = way.check() * way.calls
    benchmark(way.timer().timeit, way.calls)
