"""A vector, and the file of those of a scheme."""

import base64
import json
from collections import Counter
from dataclasses import dataclass, field

AT = 1_795_000_000
"""When it is, in seconds: 2026-11-18T11:06:40Z."""


@dataclass
class Request:
    """What a provider sends. A header's value is text whose characters are its bytes (ISO 8859-1)."""

    headers: list
    body: bytes = b""
    method: str = "POST"
    query: str | None = None

    def get(self, name):
        """The only value of a header, or None."""
        found = [value for given, value in self.headers if given.lower() == name.lower()]
        return found[0] if found else None

    def repeated(self):
        counted = Counter(name.lower() for name, _ in self.headers)
        return any(count > 1 for count in counted.values())


@dataclass
class Vectors:
    """The vectors of a scheme. `ask(request, secret, at)` is whether the oracle takes a request for genuine; an exception is a no."""

    scheme: str
    oracle: dict
    ask: object
    cases: list = field(default_factory=list)

    def verdict(self, request, secrets, at):
        """What the oracle says, or None: the libraries take one value of each header, so they cannot be asked about two."""
        if request.repeated():
            return None
        return "genuine" if any(self.says_yes(request, secret, at) for secret in secrets) else "refused"

    def says_yes(self, request, secret, at):
        try:
            return bool(self.ask(request, secret, at))
        except Exception:
            return False

    def add(self, name, request, auth, secrets, at=AT, expect=None, rule=None, trap=None, asked=True, **facts):
        """A vector. Without `expect` the oracle decides; where `expect` is not what the oracle says, `rule` says why."""
        verdict = self.verdict(request, secrets or [None], at) if asked else None
        expect = expect or verdict
        assert expect, f"{self.scheme}: {name}: nobody says what is expected"
        agreed = verdict in (None, expect) or (verdict, expect) == ("genuine", "handshake")
        assert agreed or rule, f"{self.scheme}: {name}: the oracle says {verdict}, and no rule says why {expect} is expected"
        names = {letter: secret for letter, secret in zip("ABCDEFGH", secrets)}
        case = {
            "name": name,
            "oracle": self.oracle,
            "auth": auth,
            "secrets": names,
            "at": at,
            "method": request.method,
            "query": request.query,
            "headers": [list(pair) for pair in request.headers],
            "body_base64": base64.b64encode(request.body).decode(),
            "expect": expect,
            "oracle_says": verdict,
            "rule": None if agreed else rule,
            "trap": trap,
            **(facts if expect != "refused" else {"certificate_pem": facts.get("certificate_pem")}),
        }
        self.cases.append({key: value for key, value in case.items() if value is not None})

    def text(self):
        """The file: a case a line, so that a change shows. What a case does not say is said once, in `common`."""
        names = Counter(case["name"] for case in self.cases)
        twice = [name for name, count in names.items() if count > 1]
        assert not twice, f"{self.scheme}: two cases of one name: {twice}"
        common = {}
        for key in ("oracle", "auth", "secrets", "at", "method", "body_base64", "certificate_pem"):
            values = Counter(json.dumps(case[key]) for case in self.cases if key in case)
            common |= {key: json.loads(value) for value, _ in values.most_common(1)}
        short = [{key: value for key, value in case.items() if common.get(key) != value} for case in self.cases]
        lines = ",\n".join("  " + json.dumps(case, separators=(",", ":")) for case in short)
        head = json.dumps({"scheme": self.scheme, "common": common})[:-1]
        return f'{head}, "cases": [\n{lines}\n]}}\n'
