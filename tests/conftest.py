"""What holds for all tests: on a shared machine the time that one example takes says nothing, so it is no failure."""

from hypothesis import settings

settings.register_profile("tocsin", deadline=None, print_blob=True)
settings.load_profile("tocsin")
