"""CONTRIBUTING.md, and the examples in it by the paths that they belong to."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[1]
TEXT = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
EXAMPLES: dict[str, str] = {
    path: source
    for block in BLOCKS
    for path, source in re.findall(r"^# (\S+\.py)\n(.*?)(?=^# \S+\.py\n|\Z)", block, re.DOTALL | re.MULTILINE)
}
