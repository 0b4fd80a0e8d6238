"""Generated cron expressions: well-formed ones of every kind that people write, and broken ones."""

MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
DAYS = "SUN MON TUE WED THU FRI SAT".split()

# Times of day around which clocks change somewhere.
EDGE_HOURS = [0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 23]

BROKEN = [
    "", " ", "*", "* * * *", "* * * * * * *", "0 ******", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 0 *",
    "* * * 13 *", "* * * * 8", "60 * * * * *", "1,,2 * * * *", ",1 * * * *", "1, * * * *", "/5 * * * *", "*/ * * * *",
    "*/0 * * * *", "*/-1 * * * *", "5- * * * *", "-5 * * * *", "1-2-3 * * * *", "5-1 * * * *", "** * * * *", "*5 * * * *",
    "5* * * * *", "*-5 * * * *", "*/2/3 * * * *", "MON * * * *", "* JAN * * *", "* * MON * *", "* * * MON *", "* * * * JAN",
    "* * * JANFEB *", "* * * * MONTUE", "* * * * MONDAY", "a b c d e", "1.5 * * * *", "+1 * * * *", "0x1 * * * *", "1e1 * * * *",
    "٣ * * * *", "* * * * 1#0", "* * * * 1#6", "* * * * #1", "* * * * 1#", "* * * * L", "* * L-3 * *", "0 0 30 2 *", "0 0 31 2 *",
    "0 0 31 4,6,9,11 *", "0 0 30-31 FEB *", "@", "@never", "@daily @daily", "daily", "* * 15WW * *", "* * W * *", "* * 32W * *",
    "L * * * *", "* L * * *", "* * * L *", "1#1 * * * *", "; * * * *", "* * * * *;", "$(date) * * * *", "0 0 1 1 1 1970-2000 *",
]


def field(rng, low, high, names=(), heavy=None):
    """One field: a value, a list, a range, a step, or `*`."""
    value = lambda: rng.choice(heavy) if heavy and rng.random() < 0.7 else rng.randint(low, high)
    said = lambda number: rng.choice([names[number - low], names[number - low].lower()]) if names and number - low < len(names) and rng.random() < 0.3 else str(number)

    def span():
        first, last = sorted((value(), value()))
        return f"{said(first)}-{said(last)}"

    kind = rng.random()
    if kind < 0.30:
        return "*"
    if kind < 0.55:
        return said(value())
    if kind < 0.70:
        return ",".join(said(value()) for _ in range(rng.randint(2, 4)))
    if kind < 0.80:
        return span()
    if kind < 0.92:
        return f"*/{rng.randint(1, max(2, (high - low) // 2))}"
    if kind < 0.96:
        return f"{span()}/{rng.randint(1, 7)}"
    if kind < 0.98:
        return f"{value()}/{rng.randint(1, 12)}"
    return f"{span()},{said(value())}"


def days(rng):
    """The three fields that name days."""
    month = field(rng, 1, 12, MONTHS) if rng.random() < 0.3 else "*"
    kind = rng.random()
    if kind < 0.35:
        return "*", month, "*"
    if kind < 0.55:
        return special(rng, field(rng, 1, 31), "L", "LW", f"{rng.randint(1, 31)}W", f"{rng.randint(1, 28)},L"), month, "*"
    if kind < 0.85:
        day = rng.randint(0, 7)
        return "*", month, special(rng, field(rng, 0, 7, DAYS), f"{day}#{rng.randint(1, 5)}", f"{day}L", "MON-FRI", f"{day}#1,{day}#3")
    return field(rng, 1, 31), month, field(rng, 0, 7, DAYS)


def special(rng, plain, *others):
    return rng.choice(others) if rng.random() < 0.25 else plain


def generated(rng):
    minute = field(rng, 0, 59, heavy=[0, 0, 15, 30, 30, 45, 59])
    hour = field(rng, 0, 23, heavy=EDGE_HOURS)
    fields = [minute, hour, *days(rng)]
    if rng.random() < 0.15:
        fields.insert(0, field(rng, 0, 59, heavy=[0, 0, 30]))
    return " ".join(fields)


def mutated(rng, text):
    """The text with one character put in, taken away or replaced."""
    at = rng.randrange(len(text))
    sign = rng.choice("*/-,#LW0123456789 AMN?")
    return rng.choice([text[:at] + sign + text[at:], text[:at] + text[at + 1 :], text[:at] + sign + text[at + 1 :]])
