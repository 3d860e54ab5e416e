"""What is true of a synthetic person from year to year: conditions, drugs, their doctors; and their chances. Pure."""

import datetime as dt
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from random import Random
from typing import TypeVar

from attribution.synthetic import SyntheticPerson
from exports.intake.generator import providers
from exports.intake.generator.code_lists import CODES, Condition, Drug
from exports.records import PartDPlan, Provider
from exports.vocabulary import Part

# To be raised when the generator changes: everything is drawn anew then.
GENERATOR = 1

WITH_ESRD = frozenset({"11", "21", "31"})
NOT_A_DUAL = "NA"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Draw:
    """The random numbers of one thing, independent of all others: its numbers and a source of choices."""

    digest: bytes

    def random(self, purpose: str = "") -> Random:
        """Return a new source of choices for a purpose."""
        seed = hashlib.sha256(self.digest + purpose.encode()).digest() if purpose else self.digest
        return Random(int.from_bytes(seed[16:24]))  # noqa: S311  # seeded randomness is the point here

    @property
    def chance(self) -> float:
        """Return a number from 0 to 1 for a single decision. This is cheaper than a source of choices."""
        return int.from_bytes(self.digest[24:]) / 2**64

    @property
    def claim_id(self) -> int:
        return _negative(self.digest[:8])

    @property
    def group_id(self) -> int:
        return _negative(self.digest[8:16])

    @property
    def control_number(self) -> str:
        """Fourteen digits and three letters."""
        return f"{int.from_bytes(self.digest[4:12]) % 10**14:014}SYN"


def _negative(octets: bytes) -> int:
    """A number of eighteen digits, negative, as the ids of synthetic data are."""
    return -(10**17 + int.from_bytes(octets) % (9 * 10**17))


def pick(random: Random, options: Sequence[T], weights: Sequence[float]) -> T:
    return random.choices(options, weights)[0]


def poisson(random: Random, mean: float) -> int:
    """Return how often something happens that happens `mean` times on average."""
    limit, product, count = math.exp(-mean), random.random(), 0
    while product > limit:
        product *= random.random()
        count += 1
    return count


@dataclass(frozen=True)
class Treatment:
    """A drug that a beneficiary takes permanently, and who prescribes it."""

    drug: Drug
    prescriber: Provider


@dataclass(frozen=True)
class History:
    """A synthetic beneficiary of a seed. The same two always give the same history."""

    person: SyntheticPerson
    seed: int

    def draw(self, *what: str | int) -> Draw:
        """Return the random numbers of one thing, named by `what`. They do not depend on any others."""
        name = "|".join(map(str, (GENERATOR, self.seed, self.person.mbi, *what)))
        return Draw(hashlib.sha256(name.encode()).digest())

    def is_covered(self, part: Part, day: dt.date) -> bool:
        """Return whether the beneficiary is alive and has the part of Medicare."""
        start = self.start_date(part)
        died = self.person.death_date
        return start is not None and start <= day and (died is None or day <= died)

    def start_date(self, part: Part) -> dt.date | None:
        match part:
            case Part.A:
                return self.person.part_a_start_date
            case Part.B:
                return self.person.part_b_start_date
            case Part.D if self.person.has_part_d:
                return max(self.person.part_b_start_date, dt.date(2006, 1, 1))
        return None

    @property
    def has_esrd(self) -> bool:
        return self.person.medicare_status in WITH_ESRD

    @property
    def has_subsidy(self) -> bool:
        return self.person.dual_status != NOT_A_DUAL

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """Chronic conditions, for good; of conditions that are much the same, one."""
        random = self.draw("conditions").random()
        count = pick(random, range(7), (6, 13, 20, 22, 18, 13, 8))
        candidates = [condition for condition in CODES.conditions if condition.sex in ("", self.person.sex)]
        found: dict[str, Condition] = {}
        for _ in range(count):
            condition = pick(random, candidates, [each.weight for each in candidates])
            found.setdefault(condition.code[:3], condition)
        return tuple(found.values())

    @cached_property
    def condition_codes(self) -> frozenset[str]:
        return frozenset(condition.code for condition in self.conditions)

    @cached_property
    def treatments(self) -> tuple[Treatment, ...]:
        """The drugs for the conditions."""
        random = self.draw("drugs").random()
        classes = {name: condition for condition in self.conditions for name in condition.drugs}
        count = min(len(classes), pick(random, (1, 2, 3), (50, 35, 15)))
        found: list[Treatment] = []
        for name in random.sample(sorted(classes), count):
            drugs = [drug for drug in CODES.drugs if drug.class_ == name]
            drug = pick(random, drugs, [each.weight for each in drugs])
            found.append(Treatment(drug, self.clinician(classes[name].specialty)))
        return tuple(found)

    def clinician(self, specialty: str) -> Provider:
        """Return the beneficiary's own doctor of a specialty, the same at each visit."""
        number = self.draw("clinician", specialty).digest[0] % providers.CLINICIANS_OF_A_SPECIALTY
        return providers.clinician(self.person.state, self.person.state_fips, specialty, number)

    @cached_property
    def physician(self) -> Provider:
        """Return the primary doctor."""
        return self.clinician(pick(self.draw("physician").random(), ("11", "08", "50"), (50, 35, 15)))

    @cached_property
    def practice(self) -> Provider:
        number = self.draw("practice").digest[0] % providers.GROUPS
        return providers.group(self.person.state, self.person.state_fips, number)

    @cached_property
    def hospital(self) -> Provider:
        number = self.draw("hospital").digest[0] % providers.HOSPITALS
        return providers.hospital(self.person.state, self.person.state_fips, number)

    @cached_property
    def pharmacy(self) -> Provider:
        number = self.draw("pharmacy").digest[0] % providers.PHARMACIES
        return providers.pharmacy(self.person.state, self.person.state_fips, number)

    @cached_property
    def plan(self) -> PartDPlan:
        """The Part D plan, of contracts that CMS has set aside for synthetic data."""
        octets = self.draw("plan").digest
        group = "09" if not self.has_subsidy else "03" if octets[2] % 2 else "01"
        return PartDPlan(f"Z00{octets[0] % 10 + 1:02}", f"{octets[1] % 20 + 1:03}", "000", group, "N")

    @cached_property
    def contractor(self) -> str:
        """The Medicare administrative contractor of the state."""
        return CODES.contractors[int(self.person.state_fips) % len(CODES.contractors)]

    @cached_property
    def price_level(self) -> Decimal:
        """Return how expensive the state is."""
        return Decimal(92 + int(self.person.state_fips) * 7 % 21) / 100
