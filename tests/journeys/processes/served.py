"""The settings of the processes of a journey: the real ones, but passwords are hashed fast, as in the tests."""

from portal.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
