"""`python -m ashlar`."""

from ashlar.cli import run

if __name__ == "__main__":
    run()
