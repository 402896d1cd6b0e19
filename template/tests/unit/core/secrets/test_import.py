"""What an import of the core costs, and that migrations see its table."""

import subprocess
import sys


def answer(code: str) -> str:
    """Of a fresh interpreter."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_application_does_not_load_cryptography_before_it_needs_it() -> None:
    assert answer("import sys, app.main, app.cli; print('cryptography' in sys.modules)") == "False"


def test_migrations_see_every_table_that_any_module_declares() -> None:
    everything = (
        "import importlib, pkgutil, app\n"
        "for module in pkgutil.walk_packages(app.__path__, 'app.'):\n"
        "    importlib.import_module(module.name)\n"
        "from app.core.database import Base\n"
        "print(sorted(Base.metadata.tables))"
    )
    seen = "from app.models.domain import load_metadata; print(sorted(load_metadata().tables))"
    assert "secrets" in answer(seen)
    assert answer(seen) == answer(everything)
