"""The compiled core and the switch that decides whether it is built; the rest is pyproject.toml."""

import os
import sys

from setuptools import Extension, setup

COMPILED_CORE = "src/smtpfast/_core/compiled.pyx"

build = os.environ.get("SMTPFAST_BUILD", "auto")
if build not in ("auto", "pure", "compiled"):
    sys.exit(f"SMTPFAST_BUILD={build!r}: expected auto, pure or compiled")

extensions = []
if build == "compiled" or (build == "auto" and sys.implementation.name == "cpython"):
    from Cython.Build import cythonize

    extensions = cythonize(
        [
            Extension(
                "smtpfast._core.compiled",
                [COMPILED_CORE],
                include_dirs=["src/smtpfast/_core"],
                depends=["src/smtpfast/_core/scan.h"],
                extra_compile_args=[] if sys.platform == "win32" else ["-O3", "-g0"],
            )
        ],
        build_dir="build/cython",
    )
    for extension in extensions:
        extension.optional = build == "auto"

setup(ext_modules=extensions)
