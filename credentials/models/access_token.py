from django.db import models
from oauth2_provider.models import AbstractAccessToken

from credentials.models.client import Client, ClientSecret


class AccessToken(AbstractAccessToken):
    """A bearer token of a client, known only by its SHA-256 (`token_checksum`, hexadecimal).

    It remembers the secret that it was bought with, so that it can end with it.
    """

    user = None
    source_refresh_token = None
    id_token = None
    resource = ()
    token = models.TextField(default="", editable=False, help_text="Always empty: the token itself is not kept.")
    token_checksum = models.CharField(max_length=64, unique=True, editable=False)
    application = models.ForeignKey(
        Client, on_delete=models.CASCADE, related_name="access_tokens", verbose_name="client"
    )
    secret = models.ForeignKey(ClientSecret, on_delete=models.CASCADE, related_name="access_tokens")

    class Meta:
        ordering = ["-created"]
        indexes = [models.Index(fields=["expires"], name="access_token_expires")]

    def __str__(self) -> str:
        return f"token of {self.application}, until {self.expires:%Y-%m-%d %H:%M:%S} UTC"
