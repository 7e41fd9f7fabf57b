"""tests/unit/test_gateway.py over TLS."""

from tests.unit.test_gateway import *  # noqa: F403

# These speak on bare TCP, below TLS.
del test_whatever_goes_wrong_outside_the_conversation_stays_inside_the_boundary  # noqa: F821
del test_real_descriptors_run_out_and_come_back  # noqa: F821
# Who is refused before TLS is told nothing: see tests/unit/test_tls.py.
del test_one_connection_too_many_is_503_until_another_one_goes  # noqa: F821
del test_who_has_not_finished_the_handshake_counts_towards_the_limit_until_it_is_decided  # noqa: F821
del test_a_refusal_says_when_to_come_again_and_is_counted_under_its_limit  # noqa: F821
