"""Calls of a few numbers, and plain counts of them."""

import collections
import datetime
import random

CALLERS = [f"+1202555{n:04d}" for n in range(100, 112)] + ["+442079460018", "+442079460019"]
CALLEES = [f"+1310555{n:04d}" for n in range(100, 140)]
SHORT_SECONDS = 6


def made(count, until, seed):
    """Calls that began in the three hours before a moment, each a dictionary in the JSON form."""
    dice = random.Random(seed)
    calls = []
    for n in range(count):
        started = until - datetime.timedelta(seconds=dice.randrange(600, 3 * 3600), milliseconds=dice.randrange(1000))
        call = {"call_id": f"rehearsal-{n}", "caller": dice.choice(CALLERS), "callee": dice.choice(CALLEES)}
        call["started_at"] = shown(started)
        if dice.random() < 0.6:
            answered = started + datetime.timedelta(seconds=3)
            ended = answered + datetime.timedelta(seconds=dice.choice([2, 5, 6, 30, 300]))
            call |= {"answered_at": shown(answered), "ended_at": shown(ended), "outcome": "answered"}
        else:
            ended = started + datetime.timedelta(seconds=20)
            call |= {"ended_at": shown(ended), "outcome": dice.choice(["no_answer", "busy"])}
        calls.append(call)
    return calls


def shown(moment):
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def counted(calls):
    """What the service is to say of each caller: name of the feature without its window, and value."""
    by_caller = collections.defaultdict(list)
    for call in calls:
        by_caller[call["caller"]].append(call)
    return {
        caller: {
            "calls": len(own),
            "answered_calls": sum(call["outcome"] == "answered" for call in own),
            "short_calls": sum(is_short(call) for call in own),
            "distinct_callees": len({call["callee"] for call in own}),
        }
        for caller, own in by_caller.items()
    }


def is_short(call):
    if call["outcome"] != "answered":
        return False
    answered, ended = (datetime.datetime.fromisoformat(call[name]) for name in ["answered_at", "ended_at"])
    return ended - answered < datetime.timedelta(seconds=SHORT_SECONDS)
