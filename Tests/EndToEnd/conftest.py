"""The real programs, with simulated devices and people around them."""

import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "Simulators"), str(TOP / "Tests" / "python"), str(Path(__file__).resolve().parent)]

from encrypted_site import site  # noqa: E402, F401
from lateness import lateness  # noqa: E402, F401
from real_programs import (  # noqa: E402, F401
    binaries,
    make_people,
    named,
    open_stage,
    pytest_runtest_makereport,
    pytest_terminal_summary,
    run,
)
