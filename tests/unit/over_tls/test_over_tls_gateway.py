"""tests/unit/test_gateway.py over TLS."""

from tests.unit.test_gateway import *  # noqa: F403

# This speaks on bare TCP, below TLS.
del test_whatever_goes_wrong_outside_the_conversation_stays_inside_the_boundary  # noqa: F821
# Who is refused before TLS is told nothing: see tests/unit/test_tls_handshakes.py.
del test_one_connection_too_many_is_503_until_another_one_goes  # noqa: F821
del test_who_has_not_finished_the_handshake_counts_towards_the_limit_until_it_is_decided  # noqa: F821
