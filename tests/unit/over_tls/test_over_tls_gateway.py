"""tests/unit/test_gateway.py over TLS."""

from tests.unit.test_gateway import *  # noqa: F403

# These two speak on bare TCP, below TLS.
del test_whatever_goes_wrong_outside_the_conversation_stays_inside_the_boundary  # noqa: F821
del test_real_descriptors_run_out_and_come_back  # noqa: F821
