"""How every test of the module runs."""

from hypothesis import settings

# Real files answer when they answer; a failure prints the example that made it.
settings.register_profile("module", deadline=None, print_blob=True)
settings.load_profile("module")
