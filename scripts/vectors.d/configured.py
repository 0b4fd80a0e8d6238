"""The scheme whose parts are all configured."""

import hmac
import itertools

import mutants
from bodies import OfBody
from scheme import documented
from vector import AT


class Configured(OfBody):
    """One configuration after the other; all go into one file."""

    name = "hmac"
    oracle = documented("https://www.rfc-editor.org/rfc/rfc2104")
    header = "X-Signature"
    body = '{"id": "i-1","type":"paid","n":1.0,"s":"Zoë \\u00e9"}'.encode()
    template = "{body}"
    stamp_header = None

    def message(self, body, stamp):
        parts = {"{timestamp}": (stamp or "").encode(), "{id}": (self.id or "").encode(), "{body}": body}
        message = self.template.encode()
        for name in sorted(parts, key=lambda name: name == "{body}"):
            message = message.replace(name.encode(), parts[name])
        return message

    def extra(self):
        given = {"header": self.header, "prefix": self.prefix, "encoding": self.encoding, "algorithm": self.hash, "signed": self.template}
        if self.stamp_header:
            given |= {"timestamp_header": self.stamp_header, "tolerance_seconds": self.tolerance}
        return given | self.naming

    naming: dict = {}

    def others(self, body, stamp):
        stamped = [(self.stamp_header, stamp)] if self.stamp_header else []
        named = [("Idempotency-Key", self.id)] if self.id and not self.naming else []
        return [("Content-Type", "application/json"), *stamped, *named]

    def ask(self, request, secret, at):
        stamp = request.get(self.stamp_header) if self.stamp_header else None
        if self.stamp_header and not (stamp.isascii() and stamp.isdigit() and abs(at - int(stamp)) <= self.tolerance):
            return False
        text = request.get(self.header).removeprefix(self.prefix) if request.get(self.header).startswith(self.prefix) else None
        own = self.digest(request.body, secret, stamp)
        if self.encoding == "hex":
            return len(text) == 2 * len(own) and text.isalnum() and hmac.compare_digest(own, bytes.fromhex(text))
        return hmac.compare_digest(self.encode(own), text)

    def all(self, **settings):
        """Every mutant of a configuration."""
        name = ", ".join(f"{key} {value}" for key, value in settings.items())
        made = Configured()
        for key, value in settings.items():
            setattr(made, key, value)
        made.vectors.cases = self.vectors.cases
        made.suffix = f" ({name})"
        return made

    def write(self):
        first = self.all(prefix="sha256=")
        OfBody.write(first)
        for hash, encoding in itertools.product(("sha1", "sha256", "sha512"), ("hex", "base64")):
            made = self.all(hash=hash, encoding=encoding)
            mutants.nothing_changed(made)
            mutants.algorithms(made)
            mutants.digests(made)
        stamped = self.all(template="{id}:{timestamp}.{body}|end", stamp_header="X-Time", tolerance=60, stamp=str(AT), id="i-1")
        mutants.nothing_changed(stamped)
        mutants.bodies(stamped)
        mutants.stamps(stamped)
        mutants.odd_stamps(stamped)
        mutants.stamp_headers(stamped, "X-Time")
        self.named()
        quoted = self.all(template="{body}", body=b"{timestamp}{body}{id}")
        quoted.genuine("a body that looks like a template", quoted.request(), trap=1)

    def named(self):
        header = self.all(naming={"delivery_id_header": "X-Delivery"}, id="d-1")
        header.genuine("named by a header", header.request(more=[("X-Delivery", "d-1")]))
        header.genuine("named by a header that is not there", header.request(), delivery_id="")
        header.refused("named by two headers", header.request(more=[("X-Delivery", "d-1"), ("X-Delivery", "d-2")]), trap=8)
        field = self.all(naming={"delivery_id_path": "a.id"}, id="d-1")
        field.genuine("named by a field", field.request(body=b'{"a":{"id":"d-1"}}'))
        field.genuine("named by a field that is there twice", field.request(body=b'{"a":{"id":"x"},"a":{"id":"d-1"}}'), trap=14)
        field.genuine("named by a field that is a number", field.request(body=b'{"a":{"id":12}}'), delivery_id="12")


ALL = [Configured]
