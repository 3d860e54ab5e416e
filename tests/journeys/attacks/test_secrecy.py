"""A whole life of secrets, on real processes, and then a search for each of them wherever anything is left."""

import base64
import contextlib
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, quote_plus, urlsplit

import httpx
import pytest
from aiosmtpd.controller import Controller
from django.conf import global_settings
from django.core.cache import cache
from django.core.mail import EmailMessage, get_connection
from django.db import ProgrammingError, connection
from django.utils import timezone

from credentials import notices
from credentials.models import Client, ClientSecret
from portal.celery import app as celery
from portal.mail import tasks
from tests.authenticators import code
from tests.credentials.tokens.signing import Signer, private_pem
from tests.exports.store import load, patient
from tests.journeys.attacks import leaks
from tests.journeys.person import Person
from tests.journeys.processes.installation import wait_until
from tests.portal.mail.test_emails import Mailbox
from tests.ports import free_port
from tests.world import HOME_ADDRESS, KICK_OFF_HEADERS, PASSWORD, World

pytestmark = pytest.mark.journey

NEW_PASSWORD = "three small boats at dawn"
MISTYPED = "a mistyped pass & word"
WRONG_SECRET = "cgs_" + "0123456789abcdef" * 4
SECRET_AT_THE_WRONG_PLACE = "cgs_" + "fedcba9876543210" * 4
CANARY = "canary_0f1e2d3c4b5a69788796a5b4c3d2e1f0"
BROKEN = ("credentials_accesstoken", "credentials_auditevent", "credentials_clientsecret", "exports_job")


@pytest.fixture(autouse=True)
def _passwords_as_the_server_reads_them(settings) -> None:
    settings.PASSWORD_HASHERS = global_settings.PASSWORD_HASHERS


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    """What was mailed, and the port of the server that keeps it."""
    it, port = Mailbox(), free_port()
    server = Controller(it, hostname="127.0.0.1", port=port)
    server.start()
    yield it, port
    server.stop()


@pytest.fixture
def listener() -> Iterator[leaks.Listener]:
    it = leaks.Listener()
    yield it
    it.stop()


class Life:
    """What happens to the secrets of one client and one person, and everything that was answered on the way."""

    def __init__(self, base_url: str) -> None:
        self.world = World()
        self.secrets = {
            "the password": PASSWORD,
            "the new password": NEW_PASSWORD,
            "a mistyped password": MISTYPED,
            "a wrong secret": WRONG_SECRET,
            "a secret at the wrong place": SECRET_AT_THE_WRONG_PLACE,
        }
        self.answers: list[tuple[str, httpx.Response]] = []
        self.dumps: list[bytes] = []
        self.person = Person(base_url)
        self.caller = httpx.Client(base_url=base_url, headers={"X-Forwarded-For": HOME_ADDRESS}, timeout=60)
        for http in (self.person.http, self.caller):
            http.event_hooks["response"].append(self._keep)
        self.handed_over: set[tuple[str, int]] = set()

    def _keep(self, answer: httpx.Response) -> None:
        answer.read()
        self.answers.append((f"the answer to {answer.request.method} {answer.request.url.path}", answer))

    def hand_over(self, name: str, secret: str) -> str:
        """What the last answer was made to tell: there, and nowhere else, it may stand."""
        assert secret
        self.secrets[name] = secret
        self.handed_over.add((name, len(self.answers) - 1))
        return secret

    def look_into_the_database(self) -> None:
        """As it is in the middle of something."""
        self.dumps.append(leaks.database())

    def leaks_in_answers(self) -> list[str]:
        leaked = []
        for number, (place, answer) in enumerate(self.answers):
            secrets = {name: it for name, it in self.secrets.items() if (name, number) not in self.handed_over}
            head = "\n".join(f"{name}: {value}" for name, value in answer.headers.multi_items())
            leaked += leaks.found(secrets, {place: head.encode() + b"\n" + answer.content})
        return leaked

    # --- The person ---

    def sign_in_and_set_up_an_app(self) -> None:
        self.person.enter(self.world.delegate.email, MISTYPED)
        assert self.person.enter(self.world.delegate.email).status_code == 302
        page = self.person.get("/account/second-step/app")
        key = re.search(r'id="secret" class="key">([A-Z2-7 ]+)<', page.text)[1]
        self.app_key = self.hand_over("the key of the app", key.replace(" ", ""))
        self.secrets["the key of the app, as it is shown"] = key
        self.handed_over.add(("the key of the app, as it is shown", len(self.answers) - 1))
        self.look_into_the_database()
        fields = {"csrfmiddlewaretoken": self._form_token(page)}
        wrong = self.person.http.post("/account/second-step/app", data={**fields, "code": "000000"})
        assert wrong.status_code == 400
        for name in ("the key of the app", "the key of the app, as it is shown"):
            self.handed_over.add((name, len(self.answers) - 1))
        done = self.person.http.post("/account/second-step/app", data={**fields, "code": code(self.app_key)})
        assert done.status_code == 302
        codes = re.findall(r"<li><code>(\d{8})</code></li>", self.person.get("/account/second-step/codes").text)
        for number, each in enumerate(codes):
            self.hand_over(f"recovery code {number}", each)
        self._sign_out()

    def sign_in_with(self, second_step: str, password: str = PASSWORD) -> None:
        assert self.person.enter(self.world.delegate.email, password).headers["Location"].startswith("/sign-in/second")
        self.person.send("/sign-in/second-step", code="999999")
        assert self.person.send("/sign-in/second-step", code=second_step).status_code == 302

    def _sign_out(self) -> None:
        assert self.person.http.post("/sign-out", data={"csrfmiddlewaretoken": self._kept_token()}).status_code == 302

    def forget_the_password(self, mailbox: Mailbox) -> None:
        self._sign_out()
        before = len(mailbox.messages)
        assert self.person.send("/sign-in/forgotten-password", email=self.world.delegate.email).status_code == 302

        def link() -> str | None:
            links = re.findall(r"http\S+/sign-in/new-password\?link=\S+", mailbox.texts())
            return links[-1] if links else None

        wait_until(lambda: len(mailbox.messages) > before and link(), "the mail with the link has come")
        where = urlsplit(link())
        self.secrets["the link of the mail"] = parse_qs(where.query)["link"][0]
        self.look_into_the_database()
        assert self.person.get(f"{where.path}?{where.query}").status_code == 302
        self.look_into_the_database()
        assert self.person.send(where.path, password1="short").status_code == 400
        assert self.person.send(where.path, password1=NEW_PASSWORD).status_code == 302

    # --- The client ---

    def make_client(self) -> None:
        page = "/organizations/A9994/credentials/new"
        made = self.person.send(page, name="ETL", address_1=HOME_ADDRESS)
        assert made.status_code == 302, made.text
        self.secrets["the key in the cookie"] = str(self.person.http.cookies.get("claimsgate_handover"))
        self.handed_over.add(("the key in the cookie", len(self.answers) - 1))
        self.look_into_the_database()
        self.client = Client.objects.get(name="ETL")
        self.secret = self._shown_at(made.headers["Location"], "the first secret")
        assert "already shown" in self.person.get(made.headers["Location"]).text

    def rotate(self) -> None:
        rotated = self.person.send(f"/organizations/A9994/credentials/{self.client.client_id}/rotate", overlap="72")
        assert rotated.status_code == 302
        self.secrets["the key in the second cookie"] = str(self.person.http.cookies.get("claimsgate_handover"))
        self.handed_over.add(("the key in the second cookie", len(self.answers) - 1))
        self.secret = self._shown_at(rotated.headers["Location"], "the second secret")

    def _shown_at(self, path: str, name: str) -> str:
        return self.hand_over(name, re.search(r'<code id="secret">(\w+)</code>', self.person.get(path).text)[1])

    def revoke(self) -> None:
        sent = self.person.send(f"/organizations/A9994/credentials/{self.client.client_id}/revoke", exports="keep")
        assert sent.status_code == 302

    def take_tokens(self, which: str) -> str:
        """In each of the four ways; the last token."""
        signer = Signer(self.client, kid=f"key {which}").register()
        self.secrets[f"the private key {which}"] = private_pem(signer.key).splitlines()[2]
        assertion = signer.assertion(aud=f"{str(self.caller.base_url).rstrip('/')}/auth/token")
        # Its header is the same in many, and nothing secret.
        self.secrets[f"the claims of the assertion {which}"] = assertion.split(".")[1]
        self.secrets[f"the signature of the assertion {which}"] = assertion.split(".")[2]
        pair = (self.client.client_id, self.secret)
        self.secrets[f"the pair {which}, as Basic has it"] = base64.b64encode(":".join(pair).encode()).decode()
        form = {"grant_type": "client_credentials"}
        ways: dict[str, dict] = {
            "Basic": {"auth": pair, "content": b""},
            "the standard": {"auth": pair, "data": form},
            "the form": {"data": {**form, "client_id": pair[0], "client_secret": pair[1]}},
            "an assertion": {"data": signer.form(assertion)},
        }
        for way, how in ways.items():
            answer = self.caller.post("/auth/token", **how)
            assert answer.status_code == 200, answer.text
            token = self.hand_over(f"the token {which} by {way}", answer.json()["access_token"])
        assert self.caller.post("/auth/token", data=signer.form(assertion)).status_code == 401
        return token

    def use(self, token: str) -> None:
        bearer = {"Authorization": f"Bearer {token}"}
        started = self.caller.get("/api/v2/Group/all/$export", headers={**KICK_OFF_HEADERS, **bearer})
        assert started.status_code == 202, started.text
        where = started.headers["Content-Location"]
        wait_until(lambda: self.caller.get(where, headers=bearer).status_code == 200, "the export is finished")
        for entry in self.caller.get(where, headers=bearer).json()["output"]:
            assert self.caller.get(entry["url"], headers=bearer).status_code == 200
        pair = (self.client.client_id, self.secret)
        for path in ("introspect", "revoke", "introspect"):
            assert self.caller.post(f"/auth/{path}", auth=pair, data={"token": token}).status_code == 200
        assert self.caller.get(where, headers=bearer).status_code == 401

    def make_mistakes(self, token: str) -> None:
        """Those of people who are in a hurry: secrets that are wrong, or that are right and at the wrong place."""
        client_id, wrong = self.client.client_id, SECRET_AT_THE_WRONG_PLACE
        bearer = {"Authorization": f"Bearer {token}"}
        twice = {"client_id": client_id, "client_secret": self.secret}
        no_assertion = {"client_assertion": self.secret, "client_assertion_type": self.secret}
        kick_off = {**bearer, **KICK_OFF_HEADERS}
        json_type = {"Content-Type": "application/json"}
        asked = [
            self.caller.post("/auth/token", auth=(client_id, WRONG_SECRET), content=b""),
            self.caller.post("/auth/token", auth=(wrong, client_id), content=b""),
            self.caller.post("/auth/token", data={"client_id": client_id, "client_secret": WRONG_SECRET}),
            self.caller.post("/auth/token", auth=(client_id, self.secret), data=twice),
            self.caller.post("/auth/token", content=f'{{"client_secret": "{self.secret}"}}', headers=json_type),
            self.caller.post("/auth/token", data={"grant_type": self.secret}),
            self.caller.post("/auth/token", auth=(client_id, self.secret), data={"grant_type": token}),
            self.caller.post("/auth/token", data=no_assertion),
            self.caller.post("/auth/token", headers={"Authorization": f"Basic {self.secret}"}, content=b""),
            self.caller.post("/auth/token", headers={"Authorization": f"Basic {client_id}:{self.secret}"}, content=b""),
            self.caller.get("/auth/welcome", headers={"Authorization": f"Bearer {self.secret}"}),
            self.caller.get("/auth/welcome", headers={"Authorization": f"bearer  {token} {token}"}),
            self.caller.get("/auth/welcome", headers={**bearer, "X-Request-Id": token[:64]}),
            self.caller.get("/api/v2/Group/all/$export", params={"access_token": token}, headers=kick_off),
            self.caller.get("/api/v2/jobs/0", params={"access_token": token}, headers=bearer),
            self.caller.get(f"/{wrong}"),
            self.caller.get(f"/sign-in/with/{wrong}"),
            self.caller.get("/sign-in", params={"password": PASSWORD, "login": "a"}),
            self.caller.post("/sign-in", data={"login": self.world.delegate.email, "password": PASSWORD}),
            self.caller.get("/" + "a" * 9_000, headers=bearer),
            self.caller.get("/auth/welcome", headers={**bearer, "Host": "attacker.example"}),
            self.caller.post("/auth/token", auth=(client_id, self.secret), data={"a": "b" * 2**21}),
        ]  # fmt: skip
        statuses = {answer.status_code for answer in asked}
        assert {400, 401, 403, 404} <= statuses <= {200, 400, 401, 403, 404, 413, 414}

    def meet_errors(self) -> None:
        """Parts of the database are away: everything that shows a secret ends in a page that says that we failed."""
        pair = (self.client.client_id, self.secret)
        form = {"grant_type": "client_credentials", "client_id": pair[0], "client_secret": pair[1]}
        for table in BROKEN:
            visitor = Person(str(self.caller.base_url))
            visitor.http.event_hooks["response"].append(self._keep)
            with _away(table):
                answers = [
                    self.caller.post("/auth/token", auth=pair, content=b""),
                    self.caller.post("/auth/token", data=form),
                    self.caller.get("/auth/welcome", headers={"Authorization": f"Bearer {WRONG_SECRET}"}),
                    visitor.enter(self.world.colleague.email),
                    self.person.get(f"/organizations/A9994/credentials/{pair[0]}/secret"),
                ]
                answers.append(self.person.get("/organizations/A9994/exports"))
            for answer in answers:
                # What has worked all the same gives a token that nobody else may see.
                if answer.status_code == 200 and "access_token" in answer.text:
                    name, token = f"a token without {table}", answer.json()["access_token"]
                    self.secrets[name] = token
                    self.handed_over.add((name, next(n for n, (_, it) in enumerate(self.answers) if it is answer)))
            assert 500 in {answer.status_code for answer in answers}, f"Nothing failed without {table}."

    def _form_token(self, page: httpx.Response) -> str:
        return re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]

    def _kept_token(self) -> str:
        self.person.form_token("/account/sessions")
        return self.person.form_token_kept()


@contextlib.contextmanager
def _away(table: str) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
        try:
            yield
        finally:
            cursor.execute(f"ALTER TABLE {table}_away RENAME TO {table}")


def test_no_secret_is_found_where_none_should_be(running_with, mailbox, listener, exports_folder):
    letters, port = mailbox
    postgres_log = leaks.PostgresLog()
    running = running_with(
        {
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "EXPORTS_DIR": str(exports_folder),
            "EMAIL_URL": f"smtp://127.0.0.1:{port}",
            "DEBUG": "off",
            "LOG_LEVEL": "DEBUG",
        }
    )
    life = Life(running.base_url)
    world = life.world
    [mbi] = world.beneficiaries(1)
    world.roster(world.harbor, [mbi])
    load({mbi: [patient(mbi)]})

    life.sign_in_and_set_up_an_app()
    life.sign_in_with(life.secrets["recovery code 3"])
    life.make_client()
    life.use(life.take_tokens("before"))
    life.rotate()
    token = life.take_tokens("after")
    life.make_mistakes(token)
    life.meet_errors()
    ClientSecret.objects.update(expires_at=timezone.now() + timezone.timedelta(days=6))
    notices.write_reminders()
    tasks.send_mail.delay()
    wait_until(lambda: "expire" in letters.texts(), "the reminder has come")
    life.forget_the_password(letters)
    life.sign_in_with(code(life.app_key, steps=1), NEW_PASSWORD)
    life.revoke()
    tasks.send_mail.delay()
    wait_until(lambda: "was revoked" in letters.texts(), "the last mail has come")
    life.look_into_the_database()

    in_mails = {name: it for name, it in life.secrets.items() if name != "the link of the mail"}

    def places() -> dict[str, bytes]:
        return {
            "the log of the server": running.server.log.read_bytes(),
            "the log of the worker": running.worker.log.read_bytes(),
            "the log of PostgreSQL": postgres_log.written(),
            "the database": b"\n".join([*life.dumps, leaks.database()]),
            "what the broker and the cache were told": listener.heard(),
            "what the broker and the cache keep": listener.kept(),
            "the files of exports": leaks.files(exports_folder),
        }

    assert leaks.found(life.secrets, places()) == []
    assert leaks.found(in_mails, {"the mails": letters.texts().encode()}) == []
    assert life.leaks_in_answers() == []
    assert len(life.secrets) > 30
    assert len(letters.messages) >= 4

    # The search is no better than what it finds: now there is something, written in many ways.
    life.secrets = {"the canary": CANARY}
    life.caller.get(f"/{CANARY}")
    celery.send_task(CANARY[::-1])
    with contextlib.suppress(ProgrammingError), connection.cursor() as cursor:
        cursor.execute(f"SELECT {CANARY}")
    world.colleague.name = base64.b64encode(f"Name: {CANARY}!".encode()).decode()
    world.colleague.save()
    cache.set("test_secrecy", CANARY.encode().hex(), timeout=60)
    (exports_folder / "left.ndjson").write_text(f'{{"note": "{CANARY[7:30]}"}}')
    smtp = get_connection("django.core.mail.backends.smtp.EmailBackend", host="127.0.0.1", port=port, use_tls=False)
    EmailMessage("Hello", f"See http://localhost/?{CANARY}", to=["a@harbor.example"], connection=smtp).send()
    life.person.get(f"/sign-in?next=/{CANARY}")
    wait_until(
        lambda: CANARY[::-1] in running.worker.log.read_text(), "the worker has met a task that it does not know"
    )

    assert leaks.found(life.secrets, places()) == [f"the canary in {place}" for place in places()]
    assert leaks.found(life.secrets, {"the mails": letters.texts().encode()}) == ["the canary in the mails"]
    assert "the canary in the answer to GET /sign-in" in life.leaks_in_answers()


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
@pytest.mark.parametrize(
    "written",
    [
        lambda text: text,
        lambda text: text[::-1],
        lambda text: text.encode().hex(),
        lambda text: text.encode().hex().upper(),
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
        quote_plus,
        lambda text: json.dumps({"text": text}),
        html.escape,
    ],
)
@pytest.mark.parametrize("secret", [CANARY, NEW_PASSWORD, 'a mistyped "pass" & wörd'])
def test_the_search_knows_a_secret_in_whatever_form(before, written, secret):
    place = written(f"{before}{secret} and more")

    assert leaks.found({"it": secret}, {"the text": place.encode()}) == ["it in the text"]
    assert leaks.found({"it": "another long secret text"}, {"the text": place.encode()}) == []
