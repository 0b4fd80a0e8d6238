"""Asks the oracles, and writes what they answer, or checks that it is what is there."""

import json
import random
import sys
import zoneinfo
from datetime import datetime, timezone
from pathlib import Path

import croniter
import cronsim
import expressions

SEED = 20_261_103
GENERATED = 5_000
MUTATED = 1_200
# How many instants are asked for.
COUNT = 4
YEARS = [2024, 2025, 2026, 2027, 2028, 2029, 2030]
# Where the calendar is odd: leap days, a century that is no leap year, the zone data's last years.
ODD_YEARS = [1999, 2000, 2011, 2037, 2038, 2039, 2096, 2099, 2100, 2104]

FAMOUS = [
    "UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin", "America/New_York", "America/Sao_Paulo", "America/Santiago",
    "America/Asuncion", "America/Havana", "America/Nuuk", "America/St_Johns", "Africa/Casablanca", "Africa/Cairo", "Asia/Beirut",
    "Asia/Gaza", "Asia/Jerusalem", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tehran", "Australia/Lord_Howe", "Australia/Sydney",
    "Pacific/Apia", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Easter", "Antarctica/Troll",
]


def seconds(instants):
    return [int(instant.timestamp()) for instant in instants]


def of_cronsim(text, after):
    try:
        job = cronsim.CronSim(text, after)
        return seconds(next(job).astimezone(timezone.utc) for _ in range(COUNT))
    except (cronsim.CronSimError, StopIteration, RuntimeError, AssertionError):
        return None


def of_croniter(text, after):
    try:
        job = croniter.croniter(text, after, second_at_beginning=True)
        return seconds(job.get_next(datetime).astimezone(timezone.utc) for _ in range(COUNT))
    except (croniter.CroniterError, AssertionError, IndexError):
        return None


def changes(zone, year):
    """The hours of a year before which the zone's clocks change."""
    start = int(datetime(year, 1, 1, tzinfo=timezone.utc).timestamp())
    offset = lambda at: datetime.fromtimestamp(at, zone).utcoffset()
    days = [start + day * 86_400 for day in range(367)]
    found = []
    for day, after in zip(days, days[1:]):
        if offset(day) != offset(after):
            found += [at for at in range(day, after, 1_800) if offset(at) != offset(at + 1_800)]
    return [at + 1_800 for at in found]


class Zones:
    def __init__(self):
        self.names = sorted(name for name in zoneinfo.available_timezones() if name != "localtime" and "/" in name)
        self.changes = {}

    def some(self, rng):
        return rng.choice(FAMOUS) if rng.random() < 0.6 else rng.choice(self.names)

    def after(self, rng, name, zone):
        """An instant to ask from: near a change of the clocks, or anywhere."""
        year = rng.choice(YEARS if rng.random() < 0.85 else ODD_YEARS)
        key = (name, year)
        if key not in self.changes:
            self.changes[key] = changes(zone, year)
        if self.changes[key] and rng.random() < 0.6:
            return rng.choice(self.changes[key]) + rng.randint(-30 * 3_600, 3 * 3_600) // 60 * 60
        start = int(datetime(year, 1, 1, tzinfo=timezone.utc).timestamp())
        return start + rng.randrange(365 * 86_400)


def cases():
    rng = random.Random(SEED)
    zones = Zones()
    texts = [expressions.generated(rng) for _ in range(GENERATED)]
    texts += [expressions.mutated(rng, rng.choice(texts)) for _ in range(MUTATED)]
    for text in texts + expressions.BROKEN:
        name = zones.some(rng)
        zone = timezone.utc if name == "UTC" else zoneinfo.ZoneInfo(name)
        after = zones.after(rng, name, zone)
        asked = datetime.fromtimestamp(after, zone)
        case = {"expr": text, "tz": name, "after": after}
        one, other = of_cronsim(text, asked), of_croniter(text, asked)
        yield case | ({"both": one} if one == other else {"cronsim": one, "croniter": other})


def main(path, *flags):
    made = [json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases()]
    alike = sum('"both":' in line for line in made)
    print(f"{len(made)} cases, {alike} on which cronsim and croniter agree")
    text = "\n".join(made) + "\n"
    if "--check" in flags:
        return None if Path(path).read_text() == text else "not what scripts/cron-oracles writes: " + path
    Path(path).write_text(text)
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
