"""`make_payments` loads the SDK only where payments are on."""

import subprocess
import sys

import pytest

_PROGRAM = """
import sys
from app.core import payment
from app.core.config.stripe import StripeSettings
from app.core.config.section import Environment
payment.make_payments(StripeSettings(), Environment.DEVELOPMENT)
assert "stripe" not in sys.modules
payment.make_payments(StripeSettings(enabled=True, secret_key="sk_test_1"), Environment.DEVELOPMENT)
assert "stripe" in sys.modules
"""


@pytest.mark.process
def test_make_payments_loads_the_sdk_if_stripe_is_enabled() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
