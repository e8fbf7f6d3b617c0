"""The plan as text: one line with the total first, then what each reader is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from corpora.errors import counted, listed
from flows.planning.plan import Plan, Planned
from flows.planning.quote import Quote, duration, money, render_quotes
from labeling.models.prices import Price, PriceTable

LONG = 1800.0  # seconds of asking from which on a plan says how to ask less
ANSWER_TOKENS = 2  # about as many as a remote model writes for a bare label
MEASURE = "add --measure (measure=True in Python), which asks a few questions and keeps no answer"


def render_plan(planned: Planned, quotes: Sequence[Quote], prices: PriceTable) -> str:
    """The plan of a run.

    Args:
        planned: what the readers of this machine would be asked.
        quotes: what the remote ones would be asked.
        prices: the price table.
    """
    if not planned.readers and not quotes:
        alone = planned.retrieval or "Nothing to ask: the experiment has no readers."
        return "\n".join([alone, *planned.notes])
    lines = [_total(planned.readers, quotes), *(line for one in planned.readers for line in _lines(one))]
    lines += filter(None, [planned.device, render_quotes(list(quotes)), _elsewhere(planned.readers, prices)])
    lines += filter(None, [_less(planned.readers)])
    return "\n".join([*lines, *planned.notes])


def _total(plans: Sequence[Plan], quotes: Sequence[Quote]) -> str:
    asks = [ask for one in plans for ask in one.asks]
    prompts = sum(ask.prompts for ask in asks) + sum(one.prompts for one in quotes)
    known = sum(ask.known for ask in asks) + sum(one.known for one in quotes)
    n_readers = len(plans) + len({one.reader.label for one in quotes})
    asked = f"{counted(n_readers, 'reader')}, at most {counted(prompts, 'prompt')}, {known:,} of them answered before"
    untimed = [one for one in plans if one.seconds is None]
    if untimed:
        return f"{_cost(plans, quotes)}: {asked}. The time is not known, {_no_speed(untimed)}."
    return f"{_time(plans, quotes)} and {_cost(plans, quotes)}: {asked}"


def _time(plans: Sequence[Plan], quotes: Sequence[Quote]) -> str:
    times = [one.seconds or 0.0 for one in plans]
    parts = [duration(sum(times))] if plans else []
    if any(len(one.looks) > 1 for one in plans) and sum(times) >= 60:
        early = _share(plans, times, lambda one: one.looks[0])
        likely = _share(plans, times, lambda one: min(one.likely, one.looks[-1]))
        expected = f"{duration(likely)} expected, " if likely < 0.95 * sum(times) else ""
        parts = [f"{duration(early)} if all are told at their first look, {expected}at most {duration(sum(times))}"]
    parts += ["the time that providers take"] if quotes else []
    return " and ".join(parts)


def _less(plans: Sequence[Plan]) -> str:
    """How a long run could ask less: what it may leave out, and how long the rest takes; empty for a short one."""
    times = [one.seconds or 0.0 for one in plans]
    total, ways = sum(times), []
    if total < LONG:
        return ""
    if any(one.first_look for one in plans):
        early = sum(
            seconds * (one.first_look / one.questions if one.first_look else 1)
            for one, seconds in zip(plans, times, strict=True)
        )
        look = next(one.first_look for one in plans if one.first_look)
        ways.append(f"`--until-told` may be done after {look} questions ({duration(early)})")
    controls = sum(one.controls / one.speed.tokens_per_second for one in plans if one.speed)
    if controls >= 0.05 * total:
        ways.append(
            f"`controls = []` in [retrieval] leaves out the arms that say where answers are lost (then "
            f"{duration(total - controls)} are left)"
        )
    return f"To ask less: {'; '.join(ways)}." if ways else ""


def _share(plans: Sequence[Plan], times: Sequence[float], read: Callable[[Plan], int]) -> float:
    """Seconds until readers that read until told have read as many questions; all of the time of the others."""
    return sum(
        seconds * (read(one) / one.questions if one.looks else 1) for one, seconds in zip(plans, times, strict=True)
    )


def _no_speed(untimed: Sequence[Plan]) -> str:
    """Why no time can be given for some readers, and how to learn it."""
    names = listed([one.reader for one in untimed], "and")
    if any(one.is_measured for one in untimed):
        return f"because no question of {names} could be timed: num_ctx may be too small"
    return f"because the speed of {names} was never measured on this machine: {MEASURE}"


def _cost(plans: Sequence[Plan], quotes: Sequence[Quote]) -> str:
    here = sum(one.usd or 0.0 for one in plans)
    there = sum(one.usd(one.reader.remote.api_first, worst=False) for one in quotes)
    unpriced = {one.reader.label for one in quotes if one.price is None and not one.is_free}
    known = money(here + there) if here + there else "no cost"
    return f"{known} plus an unknown cost for {', '.join(sorted(unpriced))}" if unpriced else known


def _lines(one: Plan) -> Iterator[str]:
    yield f"{one.reader} on this machine, {counted(one.questions, 'question')}: {_reader_time(one)}"
    for ask in one.asks:
        about = "at most " if ask.stage == "read" else ""
        line = f"  {ask.stage}: {about}{counted(ask.prompts, 'prompt')}"
        line += "" if ask.stage == "read" else f" ({ask.known} answered in the ledger)"
        line += f", about {ask.tokens:,} tokens, {ask.shared:,} after prefix sharing"
        yield line + (f", at most {ask.written} written" if ask.written else "")
    if one.looks and one.seconds:
        yield f"  {_looks(one, one.seconds)}"
    if one.usd:
        yield f"  money: {money(one.usd)} at {one.prices.machine_usd_per_hour:g} USD an hour"


def _looks(one: Plan, seconds: float) -> str:
    each = ", ".join(f"{n} ({duration(seconds * n / one.questions)})" for n in one.looks)
    return (
        f"until told: looks at {each} questions, each time at most, and less where settings are dropped; half of the "
        f"simulated sweeps with as many settings were told by about {one.likely}"
    )


def _reader_time(one: Plan) -> str:
    if one.seconds is None or one.speed is None:
        return "time not known" if one.seconds is None else "nothing left to ask"
    memory = f", {one.speed.memory / 1e6:,.0f} MB" if one.speed.memory else ""
    return (
        f"{duration(one.seconds)} of asking at {one.speed.tokens_per_second:,.0f} tokens a second{memory}, plus "
        "chunking and embedding"
    )


def _elsewhere(plans: Sequence[Plan], prices: PriceTable) -> str:
    """What the same prompts would cost on remote models that are still served."""
    asks = [ask for one in plans for ask in one.asks]
    today = datetime.now(UTC).strftime("%Y-%m")
    served = [price for price in prices.models if price.retired is None or price.retired > today]
    if not asks or not served:
        return ""
    n_input = sum(ask.tokens for ask in asks)
    n_output = sum(ask.written or ask.prompts * ANSWER_TOKENS for ask in asks)

    def cost(price: Price) -> float:
        return price.cost(n_input, n_output, batch=price.batch_discount > 0)

    cheapest, dearest = min(served, key=cost), max(served, key=cost)
    ends = [f"{money(cost(one))} on {one.provider} {one.model}" for one in dict.fromkeys((cheapest, dearest))]
    where = "in batches where there are any"
    return f"elsewhere the same prompts would cost {' to '.join(ends)}, {where} (prices of {prices.as_of})"
