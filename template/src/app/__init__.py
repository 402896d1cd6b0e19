"""The application: start reading at `main.py`."""
