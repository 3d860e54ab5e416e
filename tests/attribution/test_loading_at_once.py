"""Two loads at the same time, over real connections."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from attribution.loading import load_roster
from attribution.models import Beneficiary, Mbi, RosterEntry, RosterFile
from credentials.actor import Actor
from credentials.models import Organization
from credentials.programs import REACH
from tests.attribution.archives import MBIS, NAME, archive
from tests.world import OrganizationFactory

OCTOBER = "P.BCD.A9994.ZCY26.D261001.T1000000"
MESA = "P.BCD.D9990.ZCY26.D261101.T1000000"
A_MOMENT = 0.3

pytestmark = pytest.mark.django_db(transaction=True)


class Loader:
    """Loads in a thread of its own; `held` keeps the finished load from being committed until it is released."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def load(self, name: str, mbis: tuple[str, ...]) -> Future[RosterFile]:
        return self._pool.submit(self._load, name, mbis, None, None)

    def held(self, name: str, mbis: tuple[str, ...]) -> tuple[Future[RosterFile], threading.Event]:
        """Returns when the load is done but for its commit."""
        done, release = threading.Event(), threading.Event()
        future = self._pool.submit(self._load, name, mbis, done, release)
        assert done.wait(10)
        return future, release

    @staticmethod
    def _load(
        name: str, mbis: tuple[str, ...], done: threading.Event | None, release: threading.Event | None
    ) -> RosterFile:
        try:
            with transaction.atomic():
                roster = load_roster(archive(name, mbis), file_name=name, by=Actor())
                if done and release:
                    done.set()
                    assert release.wait(10)
            return roster
        finally:
            connection.close()


@pytest.fixture
def loader() -> Iterator[Loader]:
    OrganizationFactory(entity_id="A9994")
    OrganizationFactory(entity_id="D9990", program=REACH)
    with ThreadPoolExecutor(2) as pool:
        yield Loader(pool)


def test_the_same_file_sent_twice_at_once_is_published_once(loader: Loader) -> None:
    first, release = loader.held(NAME, MBIS[:5])
    second = loader.load(NAME, MBIS[:5])
    time.sleep(A_MOMENT)
    waits = not second.done()

    release.set()

    assert waits
    assert first.result(10).status == RosterFile.Status.PUBLISHED
    assert second.result(10).status == RosterFile.Status.REFUSED
    assert RosterEntry.objects.count() == 5


def test_two_months_of_an_organization_follow_each_other(loader: Loader) -> None:
    _, release = loader.held(OCTOBER, MBIS[:5])
    november = loader.load(NAME, MBIS[2:9])
    time.sleep(A_MOMENT)

    release.set()

    roster = november.result(10)
    assert (roster.joined_count, roster.left_count) == (4, 2)


def test_two_organizations_that_bring_the_same_new_person_make_one_beneficiary(loader: Loader) -> None:
    harbor, release = loader.held(NAME, MBIS[:12])
    mesa = loader.load(MESA, tuple(reversed(MBIS[4:20])))
    time.sleep(A_MOMENT)
    waits = not mesa.done()

    release.set()

    assert waits
    assert (harbor.result(10).beneficiary_count, mesa.result(10).beneficiary_count) == (12, 16)
    assert Mbi.objects.count() == Beneficiary.objects.count() == 20
    assert not Beneficiary.objects.filter(mbis=None).exists()


def test_organizations_with_nobody_in_common_do_not_wait_for_each_other(loader: Loader) -> None:
    _, release = loader.held(NAME, MBIS[:5])

    mesa = loader.load(MESA, MBIS[5:9]).result(10)

    assert mesa.status == RosterFile.Status.PUBLISHED
    release.set()


def test_a_load_does_not_hold_up_what_else_happens_to_its_organization(loader: Loader) -> None:
    load, release = loader.held(NAME, MBIS[:5])

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '1s'")
        Organization.objects.filter(entity_id="A9994").update(name="Harbor")

    assert not load.done()
    release.set()


def test_many_loads_at_once_neither_lock_each_other_nor_lose_anyone(loader: Loader) -> None:
    harbor = [f"P.BCD.A9994.ZCY26.D26{month:02}01.T1000000" for month in range(1, 6)]
    mesa = [f"P.BCD.D9990.ZCY26.D26{month:02}01.T1000000" for month in range(1, 6)]

    loads = []
    for month, (first, second) in enumerate(zip(harbor, mesa, strict=True)):
        loads.append(loader.load(first, MBIS[month : month + 12]))
        loads.append(loader.load(second, tuple(reversed(MBIS[month + 2 : month + 14]))))

    assert {load.result(20).status for load in loads} == {RosterFile.Status.PUBLISHED}
    assert RosterEntry.objects.count() == 120
    assert not Beneficiary.objects.filter(mbis=None).exists()
