"""What people get, from a real mail server."""

import email
import socket
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import default

import pytest
from aiosmtpd.controller import Controller

from credentials.actor import Actor
from credentials.clients import allow_lists, issuing, revocation, rotation
from credentials.clients.rotation import Overlap
from credentials.models import ClientSecret, Notice, Role
from credentials.people import invitations, team
from portal.mail import emails, tasks
from portal.words.times import day
from tests.world import OTHER_ADDRESS

OF_PEOPLE = {Notice.Kind.MEMBER_JOINED, Notice.Kind.MEMBER_REMOVED, Notice.Kind.MEMBERSHIP_ENDED}
# tests/portal/pages/test_previews_of_rosters.py has these.
OF_ROSTERS = {kind for kind in Notice.Kind if kind.startswith("roster_")}
LINK = "https://gate.example/organizations/A9994/credentials/"


class Mailbox:
    """Keeps what the server is given."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self._lock = threading.Lock()

    async def handle_DATA(self, _server, _session, envelope) -> str:  # noqa: N802  # aiosmtpd's name
        with self._lock:
            self.messages.append(email.message_from_bytes(envelope.content, policy=default))
        return "250 OK"

    def texts(self) -> str:
        """Everything that anybody could read in any of the messages."""
        return "\n".join(
            part.get_content() for message in self.messages for part in message.walk() if not part.is_multipart()
        ) + "\n".join(str(message.items()) for message in self.messages)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def _mail_goes_to_the_server(settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.DEFAULT_FROM_EMAIL = "Claimsgate <no-reply@gate.example>"
    settings.PUBLIC_URL = "https://gate.example"


@pytest.fixture
def mailbox(_mail_goes_to_the_server, settings) -> Iterator[Mailbox]:
    mailbox = Mailbox()
    server = Controller(mailbox, hostname=settings.EMAIL_HOST, port=settings.EMAIL_PORT)
    server.start()
    yield mailbox
    server.stop()


def test_a_reminder_arrives_in_both_forms_and_leads_to_the_client(world, mailbox):
    api = world.api_client()
    secret = ClientSecret.objects.get()
    notices_of(Notice.Kind.SECRET_EXPIRING, world, api.client, secret)

    tasks.send_mail()

    (message,) = mailbox.messages
    assert message["To"] == "Person 0 <delegate@harbor.example>" or "delegate@harbor.example" in message["To"]
    assert message["From"] == "Claimsgate <no-reply@gate.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Subject"] == f"The secret for ETL expires on {day(secret.expires_at)} (A9994)"
    plain, html = message.get_body(["plain"]).get_content(), message.get_body(["html"]).get_content()
    for body in (plain, html):
        assert LINK + api.client.client_id in body
        assert secret.hint in body
        assert "Harbor Care Alliance" in body
        assert "UTC" in body
    assert "<" not in plain


def test_every_change_is_told_and_no_message_holds_a_secret(world, mailbox):
    api = world.api_client()
    made = [api.secret]
    made.append(rotation.rotate_secret(api.client, overlap=Overlap.DAY, by=Actor(user=world.delegate)))
    revocation.revoke_secret(api.client.secrets.exclude(replaced_at=None).get(), by=Actor(user=world.delegate))
    made.append(issuing.issue_secret(api.client, by=Actor(user=world.delegate)))
    made.append(rotation.rotate_secret(api.client, overlap=Overlap.NONE, by=Actor(user=world.delegate)))
    allow_lists.add_address(api.client, OTHER_ADDRESS, by=Actor(user=world.delegate))
    revocation.revoke_client(api.client, by=Actor(user=world.delegate))

    tasks.send_mail()

    assert [message["Subject"] for message in mailbox.messages] == [
        "A client was created: ETL (A9994)",
        "The secret for ETL was rotated (A9994)",
        "A secret for ETL was revoked (A9994)",
        "A secret was created for ETL (A9994)",
        "The secret for ETL was rotated (A9994)",
        "The IP allow list of ETL was changed (A9994)",
        "ETL was revoked (A9994)",
    ]
    texts = mailbox.texts()
    assert not [secret for secret in made if secret in texts]
    assert "cgs_" not in texts
    assert f"Now: {' ' * 3}8.8.8.8, 9.9.9.9" in texts
    assert "works for 24 more hours" in texts


@pytest.mark.parametrize("kind", sorted(set(Notice.Kind) - OF_PEOPLE - OF_ROSTERS))
def test_there_are_words_for_every_kind_in_both_forms(world, kind):
    client = world.api_client().client
    notice = notices_of(kind, world, client, ClientSecret.objects.get())

    message = emails.of_notice(notice)

    assert "ETL" in message.subject
    assert "“ETL”" in message.body
    (html,) = message.alternatives
    assert "<strong>ETL</strong>" in html.content
    assert "{{" not in message.body + html.content


def test_all_are_told_who_joined_and_who_was_removed(world, mailbox):
    invited = invitations.invite(
        world.harbor, email="new@harbor.example", role=Role.CREDENTIAL_DELEGATE, by=Actor(user=world.delegate)
    )
    member = invitations.accept_as_new_person(
        invitations.Key(invited.pk, invited.nonce), name="Nora\nBcc: all@x.example <b>", password="x", by=Actor()
    )
    team.remove(member, revoke=False, by=Actor(user=world.delegate))

    tasks.send_mail()

    assert {message["Subject"].partition("(")[0].strip() for message in mailbox.messages} == {
        "Nora Bcc: all@x.example <b> joined Harbor Care Alliance",
        "Nora Bcc: all@x.example <b> was removed from Harbor Care Alliance",
        "You are no longer a team member of Harbor Care Alliance",
    }
    for message in mailbox.messages:
        plain, html = message.get_body(["plain"]).get_content(), message.get_body(["html"]).get_content()
        assert message["Bcc"] is None
        assert "https://gate.example/organizations" in plain
        assert "https://gate.example/organizations" in html
        assert "<b>" not in html
        assert "{{" not in plain + html
        assert "revoke the client" not in plain + html
        whose = "new@" if message["Subject"].startswith("You") else "delegate@"
        assert whose in message["To"]


def test_names_that_people_chose_are_text_in_html_and_in_a_subject(world, mailbox):
    world.api_client(name='<img src="x">\nBcc: everyone@example.org')

    tasks.send_mail()

    (message,) = mailbox.messages
    assert message["Bcc"] is None
    assert message["Subject"] == 'A client was created: <img src="x"> Bcc: everyone@example.org (A9994)'
    assert "<img" not in message.get_body(["html"]).get_content()
    assert '<img src="x">' in message.get_body(["plain"]).get_content()


@pytest.mark.usefixtures("_mail_goes_to_the_server")
def test_when_the_server_comes_back_the_message_arrives_once(world, settings):
    world.api_client()
    tasks.send_mail()
    assert Notice.objects.get().attempts == 1

    mailbox = Mailbox()
    server = Controller(mailbox, hostname=settings.EMAIL_HOST, port=settings.EMAIL_PORT)
    server.start()
    try:
        tasks.send_mail()
        too_early = len(mailbox.messages)
        notice = Notice.objects.get()
        Notice.objects.update(next_attempt_at=notice.created_at)
        tasks.send_mail()
        tasks.send_mail()
    finally:
        server.stop()

    assert (too_early, len(mailbox.messages)) == (0, 1)
    assert Notice.objects.get().sent_at is not None


def test_a_message_that_is_sent_again_has_the_same_id(world, mailbox):
    world.api_client()
    tasks.send_mail()
    Notice.objects.update(sent_at=None)

    tasks.send_mail()

    first, again = mailbox.messages
    assert first["Message-ID"] == again["Message-ID"]
    assert first["Message-ID"].endswith("@gate.example>")


def notices_of(kind: Notice.Kind, world, client, secret: ClientSecret) -> Notice:
    """A notice of a kind, and no other."""
    Notice.objects.all().delete()
    facts = {
        "by": "Dana", "address": "8.8.8.8", "hint": secret.hint, "expires_at": secret.expires_at.isoformat(),
        "last_used_at": None, "before": [], "after": ["8.8.8.8"], "addresses": ["8.8.8.8"], "overlap_hours": 24,
    }  # fmt: skip
    return Notice.objects.create(
        kind=kind, subject="test", organization=world.harbor, client=client, secret=secret, user=world.delegate,
        facts=facts,
    )  # fmt: skip
