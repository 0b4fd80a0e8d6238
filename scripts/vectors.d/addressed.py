"""The providers that sign the public address with the body."""

import hashlib
import hmac
from datetime import datetime
from unittest import mock
from urllib.parse import parse_qs

import hubspot.utils.signature
import square.utils.webhooks_helper
import twilio.request_validator

from bodies import OfBody
from scheme import library, of_all
from timed import Timed
from vector import AT

URL = "https://hooks.example.com/hooks/billing"


class Addressed(OfBody):
    encoding = "base64"
    url = URL
    """The address that is configured."""

    def extra(self):
        return {"public_url": self.url}

    def signed_at(self, url, **more):
        """A request that is signed as one to another address."""
        configured, self.url = self.url, url
        request = self.request(**more)
        self.url = configured
        return request

    def addresses(self):
        for name, host in {"the inner host": "127.0.0.1:8080", "another host": "evil.example.net"}.items():
            self.genuine(f"{name} in Host: the address is the configured one", self.request(more=[("Host", host)]), trap=10)
        evil = "https://evil.example.net/hooks/billing"
        told = [("Host", "evil.example.net"), ("X-Forwarded-Host", "evil.example.net"), ("X-Original-Url", "/hooks/billing")]
        self.refused("signed for another host, which Host names", self.signed_at(evil, more=told), trap=10)
        for name, url in {
            "another scheme": URL.replace("https", "http"),
            "another path": URL + "2",
            "a slash more": URL + "/",
            "a host in capitals": URL.replace("hooks.example", "HOOKS.example"),
            "an empty address": "",
        }.items():
            self.refused(f"signed for {name}", self.signed_at(url), trap=10)


class Twilio(Addressed):
    name = "twilio"
    oracle = library("twilio")
    header = "X-Twilio-Signature"
    hash = "sha1"
    body = "ToCountry=US&Body=Hello%2C+Zo%C3%AB+%26+co&AccountSid=AC1&From=%2B15017122661&Empty=&NumMedia=0".encode()
    id = "7c1f2b7e-5d0a-4a3e-9d55-7a2f5d2b7f10"
    id_header = "I-Twilio-Idempotency-Token"
    event_type = "com.twilio.webhook"
    opaque = False
    json = b'{"sid": "SM1","n":1.0}'

    def params(self, body):
        return parse_qs(body.decode(errors="surrogateescape"), keep_blank_values=True, errors="surrogateescape")

    def others(self, body, stamp):
        return [("Content-Type", "application/x-www-form-urlencoded"), ("I-Twilio-Idempotency-Token", self.id)]

    def message(self, body, stamp):
        """The address, and each parameter's name and values in their order, a repeated value once."""
        pairs = sorted(self.params(body).items())
        return (self.url + "".join(name + value for name, values in pairs for value in sorted(set(values)))).encode(errors="surrogateescape")

    def lookup(self, body):
        class Params(dict):
            def getlist(self, name):
                return self[name]

        return Params(self.params(body))

    def sign(self, body, secret, stamp):
        return twilio.request_validator.RequestValidator(secret).compute_signature(self.url, self.lookup(body))

    def ask(self, request, secret, at):
        form = request.get("Content-Type") == "application/x-www-form-urlencoded"
        params = self.lookup(request.body) if form else request.body.decode()
        url = self.url + ("?" + request.query if request.query else "")
        return twilio.request_validator.RequestValidator(secret).validate(url, params, request.get(self.header))

    def more(self):
        self.addresses()
        for name, body in {
            "an empty form": b"",
            "parameters in another order": b"B=2&A=1&a=3&Z=4&z=5",
            "a parameter twice with two values": b"A=2&A=1&B=3",
            "a parameter twice with the same value": b"A=1&A=1&B=3",
            "a blank as %20 and as +": b"A=x%20y&B=x+y",
            "an emoji": "A=%F0%9F%94%91&B=\U0001f511".encode(),
            "an equals sign in a value": b"A=b=c&B=d%3De",
            "lower-case escapes": b"A=%c3%ab",
        }.items():
            self.genuine(name, self.request(body=body))
        moved = self.request(body=b"A=1&B=2")
        moved.body = b"B=2&A=1"
        self.genuine("parameters in another order than they were signed: only their names and values are", moved)
        other = self.request(body=b"A=1&B=2")
        other.body = b"A=1&B=3"
        self.refused("a parameter changed", other)
        other.body = b"A=1&B=2&C=3"
        self.refused("a parameter added", other)
        other.body = b"A=1"
        self.refused("a parameter dropped", other)
        self.ports()
        self.documents()
        text = self.encode(self.digest(self.body, self.secret, None, "sha256"))
        settings = [("X-Twilio-Webhooks-Signature-Settings", "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256")]
        self.refused("another algorithm, which the sender names", self.request(text=text, more=settings), trap=3)

    def ports(self):
        self.genuine("signed with the standard port", self.signed_at(URL.replace(".com", ".com:443")))
        whole, self.url = self.url, URL.replace(".com", ".com:8443")
        self.genuine("a port that is configured", self.request())
        self.genuine("a port that is configured and not signed", self.signed_at(URL))
        self.refused("a port that is configured, and another one signed", self.signed_at(URL.replace(".com", ".com:443")))
        self.url = whole
        self.refused("signed with another port", self.signed_at(URL.replace(".com", ".com:8443")))

    def documents(self):
        """JSON: the address is signed, and it has the body's hash."""
        sum = hashlib.sha256(self.json).hexdigest()

        def document(query, body=self.json, secret=None):
            whole, self.url = self.url, self.url + "?" + query
            request = self.request(body=b"", secret=secret)
            self.url = whole
            request.body, request.query = body, query
            request.headers[1] = ("Content-Type", "application/json")
            return request

        self.genuine("JSON with its hash in the address", document(f"bodySHA256={sum}"), trap=1)
        self.genuine("JSON with its hash among others", document(f"a=1&bodySHA256={sum}&b=%20"), trap=1)
        self.genuine("empty JSON with its hash", document(f"bodySHA256={hashlib.sha256(b'').hexdigest()}", b""), trap=1)
        self.refused("JSON of another hash", document(f"bodySHA256={sum}", self.json + b"\n"), trap=1)
        self.refused("JSON with half its hash", document(f"bodySHA256={sum[:32]}"), trap=9)
        self.refused("JSON with an empty hash", document("bodySHA256="), trap=9)
        self.refused("JSON with its hash in an address that is not signed", document(f"bodySHA256={sum}", secret=self.other()))
        self.refused("JSON without its hash", document("a=1"))
        changed = document(f"bodySHA256={sum}")
        changed.body = b"{}"
        changed.query = f"bodySHA256={hashlib.sha256(b'{}').hexdigest()}"
        self.refused("JSON and its hash exchanged", changed)
        form = self.signed_at(self.url + f"?bodySHA256={sum}")
        form.query = f"bodySHA256={sum}"
        rule = "a hash in the address is that of the body, whatever the body is; the library heeds it where its caller gives it no form"
        self.refused("a form at an address with another body's hash", form, rule)
        self.genuine("a form that names its event", self.request(body=b"EventType=onMessageAdded&Body=a"), event_type="com.twilio.onMessageAdded")
        twice = document(f"bodySHA256={hashlib.sha256(b'{}').hexdigest()}&bodySHA256={sum}")
        self.refused("the hash twice, the first that of another body", twice)


class HubSpot(Addressed, Timed):
    name = "hubspot"
    oracle = library("hubspot-api-client")
    header = "X-HubSpot-Signature-v3"
    stamp_header = "X-HubSpot-Request-Timestamp"
    stamp = str(AT * 1000)
    unit = 1000
    edge = "what is older than five minutes is refused, says the documentation; the library counts whole seconds and refuses five minutes"
    body = '[{"eventId": 100,"subscriptionType":"contact.creation","n":1.0,"s":"Zoë \\u00e9"}]'.encode()

    id = "100"
    event_type = "com.hubspot.contact.creation"
    body_named = ("delivery_id", "event_type")

    def message(self, body, stamp):
        return f"POST{self.url}".encode() + body + stamp.encode()

    def others(self, body, stamp):
        older = [("X-HubSpot-Signature", "0" * 64), ("X-HubSpot-Signature-Version", "v1")]
        return [("Content-Type", "application/json"), (self.stamp_header, stamp), *older]

    def sign(self, body, secret, stamp):
        return hubspot.utils.signature.Signature.get_signature(secret, body.decode(), "v3", self.url, "POST", stamp)

    def ask(self, request, secret, at):
        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.fromtimestamp(at, tz)

        url = self.url + ("?" + request.query if request.query else "")
        stamp = request.get(self.stamp_header)
        with mock.patch("hubspot.utils.signature.datetime", Clock):
            return hubspot.utils.signature.Signature.is_valid(
                request.get(self.header), secret, request.body.decode(), url, request.method, "v3", stamp
            )

    def more(self):
        super().more()
        self.addresses()
        self.genuine("a timestamp of odd milliseconds", self.request(stamp=str(AT * 1000 - 1)))
        rule = "what is older than five minutes is refused: a millisecond more is"
        self.refused("a timestamp a millisecond too old", self.request(stamp=str(AT * 1000 - 300_001)), rule)
        v1 = hashlib.sha256(self.secret.encode() + self.body).hexdigest()
        older = self.request(value=None)
        older.headers = [(name, v1 if name == "X-HubSpot-Signature" else value) for name, value in older.headers]
        self.refused("the signature of version 1 alone", older, trap=3)
        self.refused("the signature of version 1 in the header of 3", self.request(value=v1), trap=3)
        whole, self.url = self.url, self.url + "?portal=1"
        request = self.request()
        self.url = whole
        request.query = "portal=1"
        self.genuine("an address with a query", request)
        escaped = "a=%40b%2Fc&d=%20%C3%AB%3F"
        self.url = self.url + "?" + escaped
        request = self.request()
        self.url = whole
        request.query = escaped
        self.genuine("a query with escapes, signed as it is", request)
        resolved = "the documentation resolves some escapes before it signs; the library leaves it to its caller"
        self.url = self.url + "?a=@b/c&d=%20%C3%AB?"
        request = self.request()
        self.url = whole
        request.query = escaped
        self.genuine("a query with escapes, signed with some of them resolved", request, rule=resolved)
        self.url = self.url + "?a=@b/c&d= \u00eb?"
        request = self.request()
        self.url = whole
        request.query = escaped
        self.refused("a query with escapes, signed with all of them resolved", request)
        many = b'[{"eventId":100,"subscriptionType":"a.b"},{"eventId":101,"subscriptionType":"c.d"}]'
        named = {"delivery_id": of_all(100, 101), "event_type": "com.hubspot.a.b"}
        self.genuine("several events", self.request(body=many), **named)


class Square(Addressed):
    name = "square"
    oracle = library("squareup")
    header = "x-square-hmacsha256-signature"
    body = '{"merchant_id": "6S","type":"payment.created","event_id":"6a8f","n":1.0,"s":"Zoë \\u00e9"}'.encode()
    id = "6a8f"
    event_type = "com.squareup.payment.created"
    body_named = ("delivery_id", "event_type")

    def message(self, body, stamp):
        return self.url.encode() + body

    def others(self, body, stamp):
        return [("Content-Type", "application/json"), ("square-retry-number", "0")]

    def ask(self, request, secret, at):
        return square.utils.webhooks_helper.verify_signature(
            request_body=request.body.decode(), signature_header=request.get(self.header), signature_key=secret, notification_url=self.url
        )

    def more(self):
        self.addresses()
        text = self.encode(hmac.new(self.key(self.secret), self.message(self.body, None), "sha1").digest())
        self.refused("the SHA-1 header of old alone", self.request(value=None, more=[("x-square-signature", text)]), trap=3)
        retry = self.request()
        retry.headers[2] = ("square-retry-number", "3")
        self.genuine("a retry, which keeps its id", retry, trap=7)
        twice = b'{"event_id":"6a8f","event_id":"6a90"}'
        self.genuine("the id twice: the last one is read", self.request(body=twice), delivery_id="6a90", event_type=None, trap=14)
        self.url = URL + "?trigger=a"
        request = self.request()
        request.query = "trigger=a"
        self.genuine("a configured address with a query", request)
        self.url = URL



ALL = [Twilio, HubSpot, Square]
