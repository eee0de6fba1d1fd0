"""What pyproject.toml cannot say: the compiled core with its switch, and the rules worked out."""

import os
import subprocess
import sys

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

CORE = "src/smtpfast/_core"
MEANING = ["scan.h", "words.h", "phrases.h", "meaning.h", "compiled_meaning.pxd"]
LOGS = [
    *("log_joins.h", "log_rows.h", "log_envelope.h", "log_postfix.h", "log_block.h", "log_join.h"),
    *("log_columns.h", "log_shapes.h", "log_tally.h"),
    *("log_values.h", "log_sendmail.h", "log_opensmtpd.h", "log_qmail.h", "log_haraka.h"),
    *("log_exim_parts.h", "log_exim.h"),
]
ARROW = ["arrow_abi.h", "arrow_cells.h", "arrow_replies.h", "arrow_stream.h", "arrow_polars.h"]
EXTENSIONS = {
    "compiled": ["scan.h", "records.pxd"],
    "compiled_meaning": [*MEANING, "records.pxd"],
    "compiled_logs": [*MEANING, *LOGS, "records.pxd"],
    "compiled_arrow": [*MEANING, *ARROW],
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


class BuildRules(build_py):
    """Leaves the default rules behind in the form that loads fast: see `write_cache`."""

    def run(self):
        environment = {**os.environ, "PYTHONPATH": "src", "SMTPFAST_BACKEND": "pure"}
        code = "from smtpfast.rules import write_cache; write_cache()"
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
        super().run()


setup(ext_modules=extensions, cmdclass={"build_py": BuildRules})
