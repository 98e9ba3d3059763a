"""What all tests share: properties are held whatever the machine is doing, so that none is timed."""

from hypothesis import settings

settings.register_profile("lct", deadline=None)
settings.load_profile("lct")
