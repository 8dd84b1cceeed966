"""Let the tests here import `trials.py` beside them, and the networks of the methods' tests."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "methods"), str(HERE.parent)]
