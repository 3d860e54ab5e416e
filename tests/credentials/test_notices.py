"""Which messages are due to whom, and how often."""

import datetime as dt
import smtplib

import pytest
from django.utils import timezone

from credentials import notices, tasks
from credentials.actor import Actor
from credentials.clients import allow_lists, issuing, revocation, rotation
from credentials.clients.rotation import Overlap
from credentials.models import Client, ClientSecret, Notice, Organization, Role
from credentials.people import organizations
from credentials.people.organizations import OrganizationState
from tests.credentials.at_once import CALLERS, at_once
from tests.world import OTHER_ADDRESS, ApiClient, MembershipFactory

Kind = Notice.Kind
DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


@pytest.fixture
def api(world) -> ApiClient:
    """A client; the message about its making has been taken out of the way."""
    api = world.api_client()
    Notice.objects.all().delete()
    return api


def expiring_in(left: dt.timedelta) -> None:
    ClientSecret.objects.update(expires_at=NOW + left)


def told() -> list[tuple[str, str]]:
    return [(notice.kind, notice.user.email) for notice in Notice.objects.order_by("pk").select_related("user")]


def stages() -> list[str]:
    return [notice.subject.rpartition(":")[2] for notice in Notice.objects.order_by("pk")]


# --- What was done --------------------------------------------------------------------------------------------------


def test_everybody_who_manages_credentials_hears_of_a_new_client_and_nobody_else(world):
    second = MembershipFactory(organization=world.harbor, user__email="second@harbor.example").user
    gone = MembershipFactory(organization=world.harbor, user__email="gone@harbor.example", user__is_active=False).user

    world.api_client()

    assert told() == [(Kind.CLIENT_CREATED, "delegate@harbor.example"), (Kind.CLIENT_CREATED, second.email)]
    assert gone.email not in str(told())


def test_of_a_programs_roles_each_that_manages_credentials_hears(world):
    MembershipFactory(organization=world.mesa, user__email="executive@mesa.example", role=Role.EXECUTIVE_CONTACT)
    MembershipFactory(organization=world.mesa, user__email="delegate@mesa.example", role=Role.CREDENTIAL_DELEGATE)

    world.api_client(world.mesa)

    assert {email for _, email in told()} == {"custodian@mesa.example", "executive@mesa.example"}


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (lambda client: rotation.rotate_secret(client, overlap=Overlap.DAY, by=Actor()), Kind.SECRET_ROTATED),
        (lambda client: issuing.issue_secret(client, by=Actor()), Kind.SECRET_CREATED),
        (lambda client: revocation.revoke_secret(client.secrets.get(), by=Actor()), Kind.SECRET_REVOKED),
        (lambda client: revocation.revoke_client(client, by=Actor()), Kind.CLIENT_REVOKED),
        (lambda client: allow_lists.add_address(client, OTHER_ADDRESS, by=Actor()), Kind.ADDRESSES_CHANGED),
    ],
)
def test_every_change_of_a_client_is_told_once(api, act, kind):
    act(api.client)

    assert told() == [(kind, "delegate@harbor.example")]


def test_a_change_that_fails_is_not_told(api, monkeypatch):
    def fail(*_arguments, **_options):
        raise RuntimeError

    monkeypatch.setattr(notices.Membership.objects, "managing_credentials", fail)
    with pytest.raises(RuntimeError):
        revocation.revoke_client(api.client, by=Actor())

    assert not Notice.objects.exists()
    assert Client.objects.live().exists()


# --- Reminders ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "stage"),
    [
        (30 * DAY, "30"), (14 * DAY + HOUR, "30"), (14 * DAY, "14"), (7 * DAY, "7"), (3 * DAY, "3"), (2 * DAY, "3"),
        (1 * DAY, "1"), (HOUR, "1"),
    ],
)  # fmt: skip
def test_a_secret_that_expires_is_told_at_its_stage(api, left, stage):
    expiring_in(left)

    notices.write_reminders(NOW)

    assert told() == [(Kind.SECRET_EXPIRING, "delegate@harbor.example")]
    assert stages() == [stage]


def test_a_secret_that_has_expired_is_told(api):
    expiring_in(-HOUR)

    notices.write_reminders(NOW)

    assert told() == [(Kind.SECRET_EXPIRED, "delegate@harbor.example")]


def test_more_than_30_days_before_nothing_is_told(api):
    expiring_in(30 * DAY + HOUR)

    notices.write_reminders(NOW)

    assert told() == []


def test_over_the_whole_life_of_a_secret_each_stage_is_told_once_though_the_task_runs_every_hour(api):
    expiring_in(90 * DAY)

    for hour in range(0, 100 * 24, 12):
        notices.write_reminders(NOW + hour * HOUR)
        notices.write_reminders(NOW + hour * HOUR)

    of_the_secret = Notice.objects.exclude(secret=None).order_by("pk")
    assert [notice.subject.rpartition(":")[2] for notice in of_the_secret] == ["30", "14", "7", "3", "1", "0"]


def test_after_a_standstill_only_the_latest_stage_is_told(api):
    expiring_in(40 * DAY)
    notices.write_reminders(NOW)

    notices.write_reminders(NOW + 38 * DAY)

    assert stages() == ["3"]


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_write_each_reminder_once(api, world):
    MembershipFactory(organization=world.harbor, user__email="second@harbor.example")
    expiring_in(5 * DAY)

    answers = at_once(lambda _number: notices.write_reminders(NOW))

    assert answers == [None] * CALLERS
    assert len(told()) == 2


def test_of_what_has_been_done_about_nobody_is_reminded(api, world):
    expiring_in(5 * DAY)
    rotated, revoked = world.api_client(name="Rotated").client, world.api_client(name="Revoked").client
    ClientSecret.objects.update(expires_at=timezone.now() + 5 * DAY)
    rotation.rotate_secret(rotated, overlap=Overlap.THREE_DAYS, by=Actor())
    revocation.revoke_client(revoked, by=Actor())
    Notice.objects.all().delete()

    tasks.write_reminders()

    assert [notice.client for notice in Notice.objects.all()] == [api.client]


def test_an_old_expiry_is_no_news(api):
    expiring_in(-4 * DAY)

    notices.write_reminders(NOW)

    assert told() == []


def test_a_denied_organization_is_not_reminded(api, world):
    expiring_in(5 * DAY)
    organizations.set_state(world.harbor, OrganizationState(status=Organization.Status.DENIED), by=Actor())

    notices.write_reminders(NOW)

    assert told() == []


def test_a_client_that_is_not_used_for_60_days_is_told_once_until_it_is_used_again(api):
    Client.objects.update(last_used_at=timezone.now() - 60 * DAY)

    tasks.write_reminders()
    tasks.write_reminders()
    first = told()
    Client.objects.update(last_used_at=timezone.now() - 59 * DAY)
    tasks.write_reminders()
    notices.write_reminders(timezone.now() + 2 * DAY)

    assert first == [(Kind.CLIENT_UNUSED, "delegate@harbor.example")]
    assert told() == first * 2


def test_a_client_that_was_never_used_is_told_60_days_after_its_making(api):
    notices.write_reminders(timezone.now() + 59 * DAY)
    before = Notice.objects.filter(kind=Kind.CLIENT_UNUSED).count()
    notices.write_reminders(timezone.now() + 61 * DAY)

    assert (before, Notice.objects.filter(kind=Kind.CLIENT_UNUSED).count()) == (0, 1)


def test_a_client_that_opens_nothing_is_not_called_unused(api):
    Client.objects.update(last_used_at=timezone.now() - 60 * DAY)
    ClientSecret.objects.update(expires_at=timezone.now() - 30 * DAY)

    tasks.write_reminders()

    assert told() == []


# --- Sending --------------------------------------------------------------------------------------------------------


class Server:
    """A mail server that does as it is told."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.error: OSError | None = None
        self.refuses: set[str] = set()

    def take(self, notice: Notice) -> None:
        if self.error:
            raise self.error
        if notice.user.email in self.refuses:
            raise smtplib.SMTPRecipientsRefused({notice.user.email: (550, b"no such mailbox")})
        self.taken.append(notice.user.email)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def two_notices(world) -> None:
    MembershipFactory(organization=world.harbor, user__email="second@harbor.example")
    world.api_client()


def let_time_pass(length: dt.timedelta) -> None:
    for notice in Notice.objects.all():
        Notice.objects.filter(pk=notice.pk).update(next_attempt_at=notice.next_attempt_at - length)


def test_what_is_due_is_sent_once(two_notices, server):
    assert notices.send_due(server.take) == 2
    assert notices.send_due(server.take) == 0

    assert sorted(server.taken) == ["delegate@harbor.example", "second@harbor.example"]


def test_while_the_server_is_away_it_is_asked_once_a_run_and_later_gets_everything(two_notices, server):
    server.error = ConnectionRefusedError("nobody there")
    assert notices.send_due(server.take) == 0
    first, second = Notice.objects.order_by("pk")
    assert (first.attempts, second.attempts) == (1, 0)
    assert "nobody there" in first.last_error

    server.error = None
    let_time_pass(HOUR)
    assert notices.send_due(server.take) == 2

    assert notices.send_due(server.take) == 0
    assert len(server.taken) == 2


def test_an_address_that_is_refused_does_not_hold_up_the_others(two_notices, server):
    server.refuses = {"delegate@harbor.example"}

    assert notices.send_due(server.take) == 1

    assert server.taken == ["second@harbor.example"]
    refused = Notice.objects.get(user__email="delegate@harbor.example")
    assert (refused.sent_at, refused.attempts) == (None, 1)


def test_the_pauses_between_attempts_grow_to_an_hour(two_notices, server):
    server.error = ConnectionRefusedError()
    pauses = []
    for _ in range(9):
        now = timezone.now()
        notices.send_due(server.take)
        notice = Notice.objects.order_by("-attempts").first()
        pauses.append(round((notice.next_attempt_at - now) / dt.timedelta(minutes=1)))
        Notice.objects.filter(pk=notice.pk).update(next_attempt_at=now)
        Notice.objects.exclude(pk=notice.pk).delete()

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_after_a_week_a_message_is_no_news_any_more(two_notices, server):
    Notice.objects.update(created_at=timezone.now() - 7 * DAY)

    assert notices.send_due(server.take) == 0


def test_a_reminder_of_what_has_been_done_since_is_withdrawn(api, server):
    expiring_in(5 * DAY)
    notices.write_reminders(NOW)
    ClientSecret.objects.update(replaced_at=timezone.now())

    assert notices.send_due(server.take) == 0

    assert server.taken == []
    assert Notice.objects.get().withdrawn_at is not None


def test_a_worker_that_dies_before_it_could_write_down_that_it_sent_leaves_the_message_to_be_sent_again(
    two_notices, server
):
    def take_and_die(notice: Notice) -> None:
        server.take(notice)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        notices.send_due(take_and_die)
    notices.send_due(server.take)

    assert len(server.taken) == 3


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_send_each_message_once(two_notices, world, server):
    for number in range(8):
        world.api_client(name=f"Client {number}")

    answers = at_once(lambda _number: notices.send_due(server.take))

    assert sum(answers) == len(server.taken) == 18
    assert not Notice.objects.filter(sent_at=None).exists()
