"""Mistakes that the comparison must notice: pieces of right statements, and what is wrong in their place."""

import dataclasses


@dataclasses.dataclass
class Mistake:
    what: str
    definitions: str
    table: str
    right: str
    wrong: str


MISTAKES = [
    Mistake("the last copy counts", "default", "caller:phone", "arrived_at_ms asc", "arrived_at_ms desc"),
    Mistake("positions do not decide", "parity", "caller:phone", '"position" asc', '"position" desc'),
    Mistake("a call id is one call all day", "default", "caller:phone", "/ 60000E0", "/ 86400000E0"),
    Mistake("windows are a day longer", "default", "caller:range", "case when days_ago < ", "case when days_ago <= "),
    Mistake("days are seen a day longer", "parity", "callee:prefix", "s.nearest < ", "s.nearest <= "),
    Mistake("anonymous is a number", "default", "callee:phone", "<> 'anonymous'", "<> 'nobody'"),
    Mistake("counts are never estimated", "default", "caller:phone", "n <= 384", "n <= 1000000"),
    Mistake("estimates begin one early", "default", "caller:phone", "n <= 384", "n <= 383"),
    Mistake("ranks are one bit off", "default", "callee:phone", ">= '4' then 2", ">= '4' then 3"),
    Mistake("untouched registers weigh nothing", "default", "caller:phone", "4096E0 * (x +", "4096E0 * (0E0 * x +"),
    Mistake("fractions are cut", "default", "caller:phone", "* 200 + abs", "* 200 + 0 * abs"),
    Mistake("halves go up", "parity", "caller:phone", "then -1E0 else 1E0", "then 1E0 else 1E0"),
    Mistake("null is not left out of logic", "default", "caller:phone", "(channel is null)", "(channel is not null)"),
    Mistake("clocks are never put back", "parity", "caller:phone", "'America/New_York'", "'UTC'"),
    Mistake("what rings is talked", "default", "caller:prefix", "is null then 0", "is null then 1"),
    Mistake("overflow is not null", "parity", "caller:phone", "9000000000 as decimal(19, 0)", "90 as decimal(19, 0)"),
    Mistake("ranges are a digit longer", "parity", "caller:range", "length(caller) - 3", "length(caller) - 2"),
    Mistake("large squares are doubles", "parity", "caller:phone", "< 9E37", "< 9E3"),
]
