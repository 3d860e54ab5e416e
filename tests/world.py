"""The cast of the tests: two organizations, their people, clients and rosters.

The addresses are public ones, since no other may be on a list; nothing is ever sent to them.
"""

import base64
import datetime as dt
import itertools
import time
from collections.abc import Iterable, Sequence

import factory
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.test import Client as Browser
from django.utils import timezone

from attribution.models import Beneficiary, Mbi, RosterEntry, RosterFile
from credentials import programs
from credentials.actor import Actor
from credentials.clients.issuing import create_client
from credentials.models import Client, Membership, Organization, Role, User
from credentials.programs import REACH, SSP
from portal.sign_in import sessions
from portal.sign_in.sealed_sessions import SessionStore

PASSWORD = "a long password for tests"
HOME_ADDRESS = "8.8.8.8"
OTHER_ADDRESS = "9.9.9.9"
KICK_OFF_HEADERS = {"Accept": "application/fhir+json", "Prefer": "respond-async"}


class OrganizationFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Organization

    class Params:
        program = SSP

    entity_id = factory.LazyAttributeSequence(lambda made, n: f"{made.program.entity_ids.example[0]}{1000 + n}")
    name = factory.Sequence(lambda n: f"Accountable Care {n}")
    program_code = factory.LazyAttribute(lambda made: made.program.code)
    code_before = factory.LazyAttribute(lambda made: programs.code_before(made.program.code))


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"person{n}@example.org")
    name = factory.Sequence(lambda n: f"Person {n}")
    password = factory.django.Password(PASSWORD)

    @factory.post_generation
    def has_verified_address(self, create, extracted, **_):
        if create and extracted is not False:
            EmailAddress.objects.create(user=self, email=self.email.lower(), primary=True, verified=True)


class MembershipFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Membership

    organization = factory.SubFactory(OrganizationFactory)
    user = factory.SubFactory(UserFactory)
    role = Role.CREDENTIAL_DELEGATE


class ApiClient:
    """A client of the API as the tests use it: an address that it calls from, a secret, a token."""

    def __init__(self, client: Client, secret: str, *, address: str = HOME_ADDRESS) -> None:
        self.client = client
        self.secret = secret
        self.browser = Browser(REMOTE_ADDR=address)

    def ask_for_token(self, secret: str | None = None, **headers: str):
        """POST /auth/token as the documented curl does: Basic, and an empty body."""
        basic = base64.b64encode(f"{self.client.client_id}:{secret or self.secret}".encode()).decode()
        return self.browser.post(
            "/auth/token",
            data="",
            content_type="application/x-www-form-urlencoded",
            headers={"Authorization": f"Basic {basic}", "Accept": "application/json", **headers},
        )

    def sign_in(self) -> "ApiClient":
        self.token = self.ask_for_token().json()["access_token"]
        return self

    def get(self, path: str, **headers: str):
        return self.browser.get(path, headers={"Authorization": f"Bearer {self.token}", **headers})

    def delete(self, path: str):
        return self.browser.delete(path, headers={"Authorization": f"Bearer {self.token}"})

    def kick_off(self, path: str = "/api/v2/Group/all/$export"):
        return self.get(path, **KICK_OFF_HEADERS)


def sign_in(browser: Browser, user: User, *, with_second_factor: bool = True, ago: float = 0) -> Browser:
    """The browser, in which the person has signed in, so many seconds ago."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session[sessions.SIGNED_IN_AT] = time.time() - ago
    session[sessions.SEEN_AT] = time.time()
    if with_second_factor:
        session["account_authentication_methods"] = [{"method": "mfa", "type": "totp", "at": time.time() - ago}]
        session["account_authentication_methods_user"] = str(user.pk)
    session.save()
    browser.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    sessions.UserSession.objects.create(
        session_key=session.session_key, user=user, ip=browser.defaults.get("REMOTE_ADDR", "127.0.0.1"), user_agent=""
    )
    return browser


class World:
    """Harbor is ours; Mesa is the stranger whom Harbor must never see, and who must never see Harbor."""

    def __init__(self) -> None:
        self.harbor = OrganizationFactory.build(entity_id="A9994", name="Harbor Care Alliance")
        self.mesa = OrganizationFactory.build(entity_id="D9990", name="Mesa Health Partners", program=REACH)
        self.delegate = UserFactory.build(email="delegate@harbor.example")
        self.colleague = UserFactory.build(email="colleague@harbor.example")
        self.stranger = UserFactory.build(email="custodian@mesa.example")
        self.operator = UserFactory.build(email="operator@gate.example", is_staff=True, is_superuser=True)
        self._numbers = iter(range(1, 100_000))  # can be copied, as itertools.count cannot
        self._write()

    def api_client(
        self, organization: Organization | None = None, *, addresses: Sequence[str] = (HOME_ADDRESS,), name: str = "ETL"
    ) -> ApiClient:
        """A client of an organization (Harbor), with a secret and a list of addresses."""
        client, secret = create_client(
            organization=organization or self.harbor, name=name, addresses=addresses, by=Actor(user=self.delegate)
        )
        return ApiClient(client, secret, address=addresses[0])

    def beneficiaries(self, count: int) -> list[str]:
        """New beneficiaries; their MBIs."""
        mbis = [f"1S00A{number // 100 % 10}0AA{number % 100:02}" for number in itertools.islice(self._numbers, count)]
        for mbi in mbis:
            Mbi.objects.create(value=mbi, beneficiary=Beneficiary.objects.create())
        return mbis

    def roster(
        self, organization: Organization, mbis: Iterable[str], *, published_at: dt.datetime | None = None
    ) -> RosterFile:
        """A published roster that holds `mbis`."""
        published_at = published_at or timezone.now()
        people = Mbi.objects.filter(value__in=list(mbis)).values_list("beneficiary_id", flat=True)
        roster = RosterFile.objects.create(
            organization=organization,
            kind=RosterFile.Kind.CURRENT,
            status=RosterFile.Status.PUBLISHED,
            file_name=f"T.BCD.{organization.entity_id}.{next(self._numbers)}",
            sha256="0" * 64,
            performance_year=published_at.year,
            file_timestamp=published_at,
            published_at=published_at,
            beneficiary_count=len(people),
        )
        RosterEntry.objects.bulk_create(RosterEntry(roster=roster, beneficiary_id=person) for person in people)
        return roster

    def _write(self) -> None:
        """Each table in one statement: most tests begin with this."""
        people = [self.delegate, self.colleague, self.stranger, self.operator]
        Organization.objects.bulk_create([self.harbor, self.mesa])
        User.objects.bulk_create(people)
        EmailAddress.objects.bulk_create(
            EmailAddress(user=person, email=person.email, primary=True, verified=True) for person in people
        )
        Membership.objects.bulk_create(
            [
                Membership(organization=self.harbor, user=self.delegate, role=Role.CREDENTIAL_DELEGATE),
                Membership(organization=self.harbor, user=self.colleague, role=Role.DUA_CUSTODIAN),
                Membership(organization=self.mesa, user=self.stranger, role=Role.DUA_CUSTODIAN),
            ]
        )
