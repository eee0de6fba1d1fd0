"""Lets the benchmarks import `cases`, which ratios.py finds beside itself."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
