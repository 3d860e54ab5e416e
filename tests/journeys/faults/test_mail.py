"""Mail leaves once, whatever fails meanwhile: real servers, a real worker and a real mail server."""

import re
from collections.abc import Iterator

import pytest
from aiosmtpd.controller import Controller
from django.conf import settings

from credentials.models import PersonalMail
from portal.mail import tasks
from tests.journeys.person import Person
from tests.journeys.processes.installation import wait_until
from tests.portal.mail.test_emails import Mailbox
from tests.ports import free_port
from tests.world import World

pytestmark = pytest.mark.journey

LINK = re.compile(r"/sign-in/new-password\?link=\S+")


@pytest.fixture
def mail_server() -> Iterator[tuple[Controller, Mailbox]]:
    """A mail server that is not started yet, and what it will be given."""
    mailbox = Mailbox()
    server = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    yield server, mailbox
    if server.loop.is_running():
        server.stop()


def test_a_password_link_waits_for_the_broker_and_for_the_mail_server_and_is_sent_once(running_with, mail_server):
    server, mailbox = mail_server
    nobody_there = {
        "EMAIL_URL": f"smtp://127.0.0.1:{server.port}",
        "CELERY_BROKER_URL": f"redis://127.0.0.1:{free_port()}",
    }
    running = running_with(nobody_there, has_worker=False)
    World()

    person = Person(running.base_url)
    known = person.send("/sign-in/forgotten-password", email="delegate@harbor.example")
    unknown = person.send("/sign-in/forgotten-password", email="nobody@harbor.example")
    waiting = PersonalMail.objects.filter(sent_at=None).count()
    running.environment["CELERY_BROKER_URL"] = settings.CELERY_BROKER_URL
    running.start_worker()
    tasks.send_mail.delay()  # what beat does every minute
    wait_until(lambda: PersonalMail.objects.filter(attempts=1).exists(), "the mail server was tried")
    tried = PersonalMail.objects.get(attempts=1)
    server.start()
    PersonalMail.objects.update(next_attempt_at=tried.created_at)
    for _ in range(3):
        tasks.send_mail.delay()
    wait_until(lambda: mailbox.messages, "the mail has come")
    wait_until(lambda: PersonalMail.objects.filter(sent_at=None).count() == 0, "nothing waits any more")

    assert (known.status_code, unknown.status_code, waiting) == (302, 302, 2)
    assert "ConnectionRefusedError" in tried.last_error
    assert [message["To"] for message in mailbox.messages] == ["delegate@harbor.example"]
    [link] = LINK.findall(mailbox.texts())
    assert person.get(link).status_code == 302
    assert PersonalMail.objects.get().email == "delegate@harbor.example"
