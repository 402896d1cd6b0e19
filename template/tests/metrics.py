"""The metrics of a process, as Prometheus reads them, and where others name them."""

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1]
GRAFANA = PROJECT / "deploy" / "grafana"


def scrape(port: int) -> dict[str, float]:
    """The number of each series, by its name and labels as they are written."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def names(text: str) -> set[str]:
    """The names of metrics in a text, such as a query, without what a histogram adds to its own."""
    return {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"\bapp_[a-z_]+", text)}


def panels(dashboard: str) -> list[dict[str, Any]]:
    """The panels of a dashboard of this project."""
    found: list[dict[str, Any]] = json.loads((GRAFANA / dashboard).read_text(encoding="utf-8"))["panels"]
    return found
