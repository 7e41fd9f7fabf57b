"""tests/unit/test_gateway_limits.py over TLS."""

from tests.unit.test_gateway_limits import *  # noqa: F403

# This speaks on bare TCP, below TLS.
del test_real_descriptors_run_out_and_come_back  # noqa: F821
# Who is refused before TLS is told nothing: see tests/unit/test_tls_handshakes.py.
del test_a_refusal_says_when_to_come_again_and_is_counted_under_its_limit  # noqa: F821
