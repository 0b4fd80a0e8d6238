"""The providers that sign a timestamp with the body."""

import base64
import hashlib
import hmac
import json
from datetime import datetime, timezone
from unittest import mock

import slack_sdk.signature
import standardwebhooks.webhooks
import stripe
import svix.webhooks

import mutants
from bodies import OfBody
from scheme import documented, library
from vector import AT


class Timed(OfBody):
    """A scheme with a signed timestamp."""

    stamp = str(AT)
    tolerance = 300
    stamp_header = None

    def more(self):
        mutants.stamps(self)
        mutants.odd_stamps(self)
        if self.stamp_header:
            mutants.stamp_headers(self, self.stamp_header)


class Stripe(Timed):
    name = "stripe"
    oracle = library("stripe")
    header = "Stripe-Signature"
    prefix = "v1="
    unknown = "v0="
    separator = ","
    secret = "whsec_dGhpcyBpcyBub3QgZGVjb2RlZA=="
    body = '{"id": "evt_1","object":"event","type":"invoice.paid","n":1.0,"s":"Zoë \\u00e9"}'.encode()
    id = "evt_1"
    event_type = "com.stripe.invoice.paid"
    body_named = ("delivery_id", "event_type")

    def message(self, body, stamp):
        return f"{stamp}.".encode() + body

    def value(self, text, stamp):
        return self.listed(f"v1={text}", stamp)

    def listed(self, items, stamp):
        return f"t={stamp},{items}"

    def sign(self, body, secret, stamp):
        return stripe.WebhookSignature.generate_signature_header(body.decode(), secret, int(stamp)) if stamp == str(int(stamp)) else None

    def ask(self, request, secret, at):
        with mock.patch("stripe._webhook.time.time", lambda: at):
            return stripe.WebhookSignature.verify_header(request.body, request.get(self.header), secret, 300)

    def more(self):
        super().more()
        literal = "whsec_" + base64.b64encode(b"decoded").decode()
        self.genuine("a secret in base64, taken literally", self.request(secret=literal), [literal], trap=4)
        self.refused("signed with the secret's base64 decoded", self.request(secret="decoded"), secrets=[literal], trap=4)
        self.refused("signed with the secret without its prefix", self.request(secret=literal[6:]), secrets=[literal], trap=4)
        text = self.digest(self.body, self.secret, self.stamp).hex()
        self.genuine("the timestamp after the signature", self.request(value=f"v1={text},t={AT}"))
        self.refused("no timestamp", self.request(value=f"v1={text}"))
        self.refused("an empty timestamp", self.request(value=f"t=,v1={text}"))
        self.refused("the timestamp changed", self.request(value=f"t={AT + 1},v1={text}"))
        self.refused("a blank after the comma", self.request(value=f"t={AT}, v1={text}"))
        self.refused("two timestamps, the signed one last", self.request(value=f"t={AT - 1},t={AT},v1={text}"))
        once = "a timestamp is there once; the library takes the first"
        self.refused("two timestamps, the signed one first", self.request(value=f"t={AT},t={AT + 1},v1={text}"), once)
        plain = "a timestamp is signed as it is written; the library writes the number anew"
        self.refused("a plus sign before a timestamp that is signed without", self.request(value=f"t=+{AT},v1={text}"), plain)
        self.refused("a zero before a timestamp that is signed without", self.request(value=f"t=0{AT},v1={text}"), plain)
        twice = b'{"id":"evt_1","id":"evt_2","type":"a.b"}'
        self.genuine("the id twice: the last one is read", self.request(body=twice), delivery_id="evt_2", event_type="com.stripe.a.b", trap=14)


class Slack(Timed):
    name = "slack"
    oracle = library("slack-sdk")
    header = "X-Slack-Signature"
    stamp_header = "X-Slack-Request-Timestamp"
    prefix = "v0="
    body = '{"token": "t","type":"event_callback","event_id":"Ev1","event":{"type":"message","n":1.0,"s":"Zoë \\u00e9"}}'.encode()
    id = "Ev1"
    event_type = "com.slack.message"
    body_named = ("delivery_id", "event_type")

    def message(self, body, stamp):
        return f"v0:{stamp}:".encode() + body

    def others(self, body, stamp):
        return [("Content-Type", "application/json"), (self.stamp_header, stamp)]

    def verifier(self, secret, at):
        clock = mock.Mock(now=lambda: at)
        return slack_sdk.signature.SignatureVerifier(secret, clock)

    def sign(self, body, secret, stamp):
        return self.verifier(secret, AT).generate_signature(timestamp=stamp, body=body)

    def ask(self, request, secret, at):
        return self.verifier(secret, at).is_valid_request(request.body, dict(request.headers))

    def more(self):
        super().more()
        self.genuine("a timestamp with a zero before it", self.request(stamp="0" + self.stamp))
        retry = self.request(stamp=str(AT + 60), more=[("X-Slack-Retry-Num", "1"), ("X-Slack-Retry-Reason", "http_timeout")])
        self.genuine("a retry, which keeps its id", retry, at=AT + 60, trap=7)
        asked = b'{"token":"t","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}'
        answer = {"status": 200, "contains": json.loads(asked)["challenge"]}
        self.genuine("a challenge", self.request(body=asked), expect="handshake", handshake=answer, delivery_id=None, trap=13)
        self.refused("a challenge that is not signed", self.request(body=asked, value=None), trap=13)
        self.refused("a challenge signed with another secret", self.request(body=asked, secret=self.other()), trap=13)
        self.refused("an old challenge", self.request(body=asked, stamp=str(AT - 301)), trap=13)
        form = b"token=t&command=%2Fweather&text=94070+x&response_url=https%3A%2F%2Fhooks.example.com"
        request = self.request(body=form)
        request.headers[1] = ("Content-Type", "application/x-www-form-urlencoded")
        self.genuine("a slash command, which is a form", request, delivery_id="", event_type="com.slack.slash_command", trap=1)
        form = b"payload=%7B%22type%22%3A%22block_actions%22%2C%22trigger_id%22%3A%221%22%7D"
        request = self.request(body=form)
        request.headers[1] = ("Content-Type", "application/x-www-form-urlencoded")
        self.genuine("an interaction, which is JSON in a form", request, delivery_id="", event_type="com.slack.block_actions", trap=1)
        plain = self.request(body=b'{"type":"app_rate_limited","team_id":"T1"}')
        self.genuine("a message beside events", plain, delivery_id="", event_type="com.slack.app_rate_limited")


class Zoom(Timed):
    name = "zoom"
    oracle = documented("https://developers.zoom.us/docs/api/webhooks/#verify-webhook-events")
    header = "x-zm-signature"
    stamp_header = "x-zm-request-timestamp"
    prefix = "v0="
    event_type = "us.zoom.meeting.started"
    id = ""
    body = '{"event": "meeting.started","payload":{"n":1.0,"s":"Zoë \\u00e9"},"event_ts":1}'.encode()

    def message(self, body, stamp):
        return f"v0:{stamp}:".encode() + body

    def others(self, body, stamp):
        return [("Content-Type", "application/json"), (self.stamp_header, stamp)]

    def ask(self, request, secret, at):
        own = self.digest(request.body, secret, request.get(self.stamp_header)).hex()
        return hmac.compare_digest("v0=" + own, request.get(self.header))

    def more(self):
        super().more()
        for token in ("qgg8vlvZRS6UYooatFL8Aw", "Zoë \" \\ token"):
            body = json.dumps({"payload": {"plainToken": token}, "event_ts": 1, "event": "endpoint.url_validation"}).encode()
            encrypted = hmac.new(self.secret.encode(), token.encode(), hashlib.sha256).hexdigest()
            answer = {"status": 200, "json": {"plainToken": token, "encryptedToken": encrypted}}
            named = f"the validation of an address, {'plain' if token.isascii() else 'odd'} token"
            self.genuine(named, self.request(body=body), expect="handshake", handshake=answer, trap=13)
            self.refused(f"{named}, not signed", self.request(body=body, value=None), trap=13)
            self.refused(f"{named}, signed with another secret", self.request(body=body, secret=self.other()), trap=13)
        body = b'{"event":"endpoint.url_validation","payload":{"plainToken":"abc"}}'
        rotated = [self.other(), self.secret]
        encrypted = hmac.new(self.secret.encode(), b"abc", hashlib.sha256).hexdigest()
        answer = {"status": 200, "json": {"plainToken": "abc", "encryptedToken": encrypted}}
        self.genuine(
            "the validation of an address, answered with that of two secrets which signed it",
            self.request(body=body), rotated, expect="handshake", handshake=answer, trap=13,
        )


class Standard(Timed):
    name = "standard"
    oracle = library("standardwebhooks")
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    encoding = "base64"
    prefix = "v1,"
    unknown = "v1a,"
    separator = " "
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = '{"type": "com.example.paid","timestamp":"x","n":1.0,"s":"Zoë \\u00e9"}'.encode()
    id = "msg_p5jXN8AQM9LWM0D4loKWxJek"
    event_type = "com.example.paid"

    def __init__(self):
        super().__init__()
        self.header = self.names[2]
        self.stamp_header = self.names[1]

    def dress(self, text):
        return "whsec_" + base64.b64encode(text.encode()).decode()

    def key(self, secret):
        return base64.b64decode(secret.removeprefix("whsec_") + "==")

    def message(self, body, stamp):
        return f"{self.id}.{stamp}.".encode() + body

    def others(self, body, stamp):
        return [("Content-Type", "application/json"), (self.names[0], self.id), (self.names[1], stamp)]

    def library(self, secret):
        return standardwebhooks.webhooks.Webhook(secret)

    def sign(self, body, secret, stamp):
        if stamp != str(int(stamp)):
            return None
        return self.library(secret).sign(self.id, datetime.fromtimestamp(int(stamp), timezone.utc), body.decode())

    def ask(self, request, secret, at):
        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.fromtimestamp(at, tz)

        with mock.patch("standardwebhooks.webhooks.datetime", Clock):
            self.library(secret).verify(request.body, dict(request.headers), json_parse=False)
        return True

    def more(self):
        super().more()
        text = self.encode(self.digest(self.body, self.secret, self.stamp))
        for name, stamp in {"a fraction": self.stamp + ".5", "a plus sign": "+" + self.stamp, "a zero before it": "0" + self.stamp}.items():
            rule = "a timestamp is signed as it is written; the library writes the number anew"
            request = self.request(text=text)
            request.headers = [(key, stamp if key == self.stamp_header else value) for key, value in request.headers]
            self.refused(f"a timestamp with {name}, signed without", request, rule)
        bare = self.secret.removeprefix("whsec_")
        self.genuine("a secret without its prefix", self.request(secret=bare), [bare])
        unpadded = self.dress("16 bytes of key!").rstrip("=")
        self.genuine("a secret without padding", self.request(secret=unpadded), [unpadded])
        rule = "a secret that is not base64 is a mistake of configuration; the library skips what it cannot read"
        self.refused("a secret that is not base64", self.request(), rule, secrets=[self.secret[:9] + "*" + self.secret[9:]], trap=4)
        short = self.request(body=b'{"type":"user.created"}')
        self.genuine("a type that is no domain name", short, event_type=self.short)
        self.identified()

    short = "com.standardwebhooks.user.created"

    def identified(self):
        """The delivery id, which is signed here."""

        def named(*ids):
            request = self.request()
            kept = [pair for pair in request.headers if pair[0] != self.names[0]]
            request.headers = [*kept, *((self.names[0], id) for id in ids)]
            return request

        self.refused("another delivery id", named("msg_other"), trap=6)
        self.refused("no delivery id", named())
        self.refused("an empty delivery id", named(""))
        self.refused("the delivery id twice", named(self.id, self.id), trap=8)
        self.refused("a delivery id that is not ASCII", named("\xc3\xa9"), trap=8)
        whole, self.id = self.id, "msg_1"
        message = self.request()
        self.id = whole
        message.headers = [(key, "msg_1.1" if key == self.names[0] else value) for key, value in message.headers]
        self.refused("a delivery id that takes from the timestamp", message)


class Svix(Standard):
    """The same under Svix's names."""

    suffix = ", under Svix's names"

    oracle = library("svix")
    names = ("svix-id", "svix-timestamp", "svix-signature")

    def ask(self, request, secret, at):
        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.fromtimestamp(at, tz)

        with mock.patch("standardwebhooks.webhooks.datetime", Clock):
            svix.webhooks.Webhook(secret).verify(request.body, dict(request.headers))
        return True


class Both(Standard):
    """The file of the scheme that takes both."""

    def write(self):
        super().write()
        theirs = Svix()
        theirs.vectors.cases = self.vectors.cases
        mutants.nothing_changed(theirs)
        mutants.bodies(theirs)
        mutants.headers(theirs)
        mutants.lists(theirs)
        mutants.stamps(theirs)
        mutants.stamp_headers(theirs, theirs.stamp_header)
        theirs.identified()
        mixed = self.request()
        mixed.headers = [(theirs.header if name == self.header else name, value) for name, value in mixed.headers]
        self.refused("the signature alone under Svix's name", mixed)


class GitLabSigned(Standard):
    name = "gitlab-signed"
    oracle = library("standardwebhooks")
    body = '{"object_kind": "push","n":1.0,"s":"Zoë \\u00e9"}'.encode()
    event_type = short = "com.gitlab.push"

    def others(self, body, stamp):
        return [*super().others(body, stamp), ("Idempotency-Key", self.id), ("X-Gitlab-Event", "Push Hook")]


ALL = [Stripe, Slack, Zoom, Both, GitLabSigned]
