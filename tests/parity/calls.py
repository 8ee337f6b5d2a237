"""Generated calls made awkward: what the tests of the batch job cover, in lines of an archive.

The same seed gives the same lines. They have no derived fields yet: `tollwatch import --archive` adds them.
"""

import copy
import datetime
import json
import random

DAY = datetime.timedelta(days=1)
MAX_COST_MICROS = 1_000_000_000_000
TRUNKS = ["t1", "it's", "a\\b", "ü", "${x}", "v-last"]


def parse(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def text_of(time):
    return time.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def archived(generated, as_of, seed):
    """Lines `(position, arrived_at, call)` of an archive, not in order."""
    chance = random.Random(seed)
    calls = [awkward(call, chance) for call in generated]
    calls += crowds(as_of, chance)
    calls += edges(as_of)
    lines = []
    for number, call in enumerate(calls):
        lines.append(line(call, arrival(call, chance), number))
        if chance.random() < 0.04:
            lines += copies(call, lines[-1], number, chance)
    chance.shuffle(lines)
    return lines


def line(call, arrived_at, position):
    return {"position": f"{position:09}", "arrived_at": text_of(arrived_at), "call": call}


def arrival(call, chance):
    """Soon after the call ended; now and then hours or days later."""
    late = chance.choice([0, 0, 0, 0, 0, 0, 0, 5_000, 90_000])
    return parse(call["ended_at"]) + datetime.timedelta(seconds=1 + late)


def copies(call, first, number, chance):
    """The same call reported again, with other contents: earlier, later, or at the same moment."""
    made = []
    for again in range(chance.randint(1, 3)):
        other = copy.deepcopy(call)
        other["cost_micros"] = chance.randint(-5_000, 5_000)
        other["currency"] = chance.choice(["USD", "EUR"])
        other["trunk"] = chance.choice(TRUNKS)
        moved = datetime.timedelta(milliseconds=chance.choice([-7, 0, 0, 7]))
        # Positions of the same moment decide, in either direction.
        position = chance.choice([number * 10 + again, 900_000_000 - number * 10 - again])
        made.append(line(other, parse(first["arrived_at"]) + moved, position))
    return made


def awkward(call, chance):
    for name in ["channel", "trunk", "cell_id", "imei", "caller_ip"]:
        if chance.random() < 0.1:
            call.pop(name, None)
    if chance.random() < 0.2:
        call["channel"] = "sms"
    if chance.random() < 0.3:
        call["trunk"] = chance.choice(TRUNKS)
    if chance.random() < 0.4:
        huge = [MAX_COST_MICROS, -MAX_COST_MICROS, -1, 0, 500_000]
        call["cost_micros"] = chance.choice([chance.randint(-50_000, 500_000), chance.choice(huge)])
        call["currency"] = chance.choice(["USD", "EUR"])
    number = chance.random()
    if number < 0.03:
        call["caller"] = "anonymous"
    elif number < 0.05:
        call["caller"] = chance.choice(["ext:hq/1001", "ext:hq/1002", "short:1:911", "alpha:1:BANK"])
    elif number < 0.07:
        call["callee"] = chance.choice(["anonymous", "ext:hq/1001", "short:1:911"])
    elif number < 0.08:
        # A region that no country has, and a number written as at home.
        call["callee"] = chance.choice(["+88312345678901", "(202) 555-0123"])
    return call


def made(call_id, caller, callee, start, ring_ms=1_000, talk_ms=None, **more):
    """A call from scratch; not answered without `talk_ms`."""
    call = {"call_id": call_id, "caller": caller, "callee": callee, "started_at": text_of(start)}
    ended = start + datetime.timedelta(milliseconds=ring_ms)
    if talk_ms is not None:
        call["answered_at"] = text_of(ended)
        ended += datetime.timedelta(milliseconds=talk_ms)
    call["ended_at"] = text_of(ended)
    call["outcome"] = "no_answer" if talk_ms is None else "answered"
    return call | more


def crowds(as_of, chance):
    """Numbers with so many different others that counts of them are estimates, and some just not."""
    end = datetime.datetime.combine(as_of + DAY, datetime.time(), datetime.timezone.utc)
    for crowd, (size, days) in enumerate([(384, 1), (385, 1), (383, 7), (386, 30), (1_500, 7), (6_000, 60)]):
        for other in range(size):
            start = end - datetime.timedelta(seconds=chance.uniform(1, days * 86_400 - 1))
            busy, one = f"+1303555{crowd:04}", f"+1720{crowd}{other:06}"
            talk_ms = chance.choice([None, chance.randint(0, 600_000)])
            imei = f"35{chance.randint(0, size // 2):013}"
            yield made(f"out-{crowd}-{other}", busy, one, start, talk_ms=talk_ms, imei=imei)
            if other % 2 == 0:
                yield made(f"in-{crowd}-{other}", one, busy, start, talk_ms=talk_ms)


def edges(as_of):
    """First and last moments of days and windows, clocks that were put back, fractions that end in a half."""
    midnight = datetime.datetime.combine(as_of, datetime.time(), datetime.timezone.utc)
    millisecond = datetime.timedelta(milliseconds=1)
    for days in [-1, 0, 1, 6, 7, 29, 30, 89, 90, 91]:
        start = midnight - days * DAY
        yield made(f"first-{days}", "+12025550101", "+442079460018", start, talk_ms=5_999)
        yield made(f"last-{days}", "+12025550102", "+442079460018", start + DAY - millisecond, talk_ms=6_000)
    # New York went back to winter time on 2026-11-01 at 06:00 UTC.
    for minutes in range(0, 600, 20):
        start = datetime.datetime(2026, 11, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
        yield made(f"clocks-{minutes}", "+12025550103", "+12025550104", start)
    # Halves: 1/8 to two decimals, and means of two amounts, either sign.
    for number in range(8):
        answered = 10 if number == 0 else None
        yield made(f"eighth-{number}", "+12025550105", "+12025550106", midnight, talk_ms=answered)
    for number, cost in enumerate([3, 4, -3, -4]):
        caller = "+12025550107" if cost > 0 else "+12025550108"
        yield made(f"half-{number}", caller, "+12025550106", midnight, cost_micros=cost, currency="EUR")
    # One call id, in two minutes and by two callers.
    for caller in ["+12025550109", "+12025550110"]:
        for minute in [0, 1]:
            yield made("same", caller, "+12025550106", midnight + datetime.timedelta(minutes=minute))
    # Spread of equal, long calls: differences of large squares.
    for number in range(300):
        yield made(f"long-{number}", "+12025550111", "+12025550112", midnight, 0, 600_000_000 + number % 2)


def write(lines, folder, files=7):
    """Cuts the lines into files."""
    for number in range(files):
        with open(folder / f"lines-{number}.jsonl", "w", encoding="utf-8") as file:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines[number::files])
