"""A scheme that signs, as its provider's documentation has it."""

import base64
import hashlib
import hmac
from importlib.metadata import version

from vector import AT, Request, Vectors

KEEP = object()


def library(name):
    """An oracle that is a library of PyPI."""
    return {"library": f"{name} {version(name)}"}


def of_all(*ids):
    """The delivery id of a delivery of several events."""
    hash = hashlib.sha256("".join(f"{id}\n" for id in ids).encode()).digest()
    return f"{ids[0]}+{hash[:16].hex()}"


def documented(url):
    """An oracle that is this program's own reading of a document, since there is no library to ask."""
    return {"documentation": url}


class Scheme:
    """HMAC of the body in a header, unless a provider's class says otherwise."""

    name = ""
    oracle: dict = {}
    header = ""
    prefix = ""
    encoding = "hex"
    hash = "sha256"
    either_case = None
    """Why hex is taken in either case, where it is and the oracle does not say so."""
    separator = None
    """What stands between several signatures."""
    body = b""
    secret = "It's a Secret to Everybody"
    stamp = None
    """The timestamp, where the scheme has one."""
    tolerance = None
    """How old and how far ahead a timestamp may be, in seconds."""
    unit = 1
    """How many of the timestamp's units a second has."""
    query = None
    id = None
    """The delivery id of what `others` and `body` say."""
    event_type = None
    """The CloudEvents type, by the rule in the documentation of `mesh::signature`."""
    has_secret = True
    suffix = ""
    """What the names of its vectors end with."""
    opaque = True
    """Whether a body that is not JSON is as good as any."""

    def __init__(self):
        self.vectors = Vectors(self.name, self.oracle, self.ask)

    # What the documentation says.

    def key(self, secret):
        return secret.encode()

    def message(self, body, stamp):
        return body

    def digest(self, body, secret, stamp, hash=None):
        return hmac.new(self.key(secret), self.message(body, stamp), hash or self.hash).digest()

    def encode(self, digest):
        return digest.hex() if self.encoding == "hex" else base64.b64encode(digest).decode()

    def value(self, text, stamp):
        """The header's value with a digest."""
        return self.prefix + text

    def others(self, body, stamp):
        """The headers beside the signature's."""
        return [("Content-Type", "application/json")]

    # What the library says.

    def ask(self, request, secret, at):
        """Without a library: the documented way, with the texts compared."""
        offered = request.get(self.header)
        return hmac.compare_digest(self.prefix + self.encode(self.digest(request.body, secret, None)), offered)

    def sign(self, body, secret, stamp):
        """The header's value as the library writes it, if it can sign."""
        return None

    # Requests.

    def signed(self, body, secret, stamp):
        own = self.value(self.encode(self.digest(body, secret, stamp)), stamp)
        try:
            theirs = self.sign(body, secret, stamp)
        except Exception:
            theirs = None
        assert theirs in (None, own), f"{self.name}: the library signs {theirs}, the documentation {own}"
        return own

    def request(self, body=None, secret=None, stamp=None, value=KEEP, text=None, more=()):
        body = self.body if body is None else body
        stamp = self.stamp if stamp is None else stamp
        if text is not None:
            value = self.value(text, stamp)
        if value is KEEP:
            value = self.signed(body, self.secret if secret is None else secret, stamp)
        headers = self.others(body, stamp)
        if value is not None:
            headers = [(self.header, value), *headers]
        return Request([*headers, *more], body, query=self.query)

    def auth(self, secrets):
        names = [f"${{{letter}}}" for letter, _ in zip("ABCDEFGH", secrets)]
        named = {"secret": names[0]} if len(names) == 1 else {"secrets": names}
        return {"scheme": self.name, **named, **self.extra()}

    def extra(self):
        """Further keys of `auth`."""
        return {}

    def facts(self, **facts):
        return {"delivery_id": self.id, "event_type": self.event_type, **facts}

    def genuine(self, name, request, secrets=None, at=AT, **more):
        secrets = [self.secret] if secrets is None else secrets
        more = {"expect": "genuine", **self.facts(), **more}
        self.vectors.add(name + self.suffix, request, self.auth(secrets), secrets, at, **more)

    def refused(self, name, request, rule=None, secrets=None, at=AT, **more):
        secrets = [self.secret] if secrets is None else secrets
        self.vectors.add(name + self.suffix, request, self.auth(secrets), secrets, at, expect="refused", rule=rule, **more)

    def judged(self, name, request, secrets=None, at=AT, **more):
        """As the oracle says."""
        secrets = [self.secret] if secrets is None else secrets
        self.vectors.add(name + self.suffix, request, self.auth(secrets), secrets, at, **{**self.facts(), **more})
