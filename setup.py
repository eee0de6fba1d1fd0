"""The compiled core and the switch that decides whether it is built; the rest is pyproject.toml."""

import os
import sys

from setuptools import Extension, setup

CORE = "src/smtpfast/_core"
EXTENSIONS = {
    "compiled": ["scan.h", "records.pxd"],
    "compiled_meaning": ["scan.h", "meaning.h", "records.pxd"],
}

build = os.environ.get("SMTPFAST_BUILD", "auto")
if build not in ("auto", "pure", "compiled"):
    sys.exit(f"SMTPFAST_BUILD={build!r}: expected auto, pure or compiled")

extensions = []
if build == "compiled" or (build == "auto" and sys.implementation.name == "cpython"):
    from Cython.Build import cythonize

    extensions = cythonize(
        [
            Extension(
                f"smtpfast._core.{name}",
                [f"{CORE}/{name}.pyx"],
                include_dirs=[CORE],
                depends=[f"{CORE}/{file}" for file in depends],
                extra_compile_args=[] if sys.platform == "win32" else ["-O3", "-g0"],
            )
            for name, depends in EXTENSIONS.items()
        ],
        build_dir="build/cython",
    )
    for extension in extensions:
        extension.optional = build == "auto"

setup(ext_modules=extensions)
