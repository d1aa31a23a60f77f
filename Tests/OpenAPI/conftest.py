"""The real collector, with a lane's records and a feed in it."""

import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "Simulators"), str(TOP / "Tests" / "python"), str(Path(__file__).resolve().parent)]

from real_programs import (  # noqa: E402, F401
    binaries,
    open_stage,
    pytest_runtest_makereport,
    pytest_terminal_summary,
    run,
)
