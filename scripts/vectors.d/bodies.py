"""The providers that sign the body alone."""

import json

import gidgethub.sansio

import mutants
from scheme import Scheme, documented, library
from vector import AT


class OfBody(Scheme):
    """A digest of the body in a header."""

    edge = None
    id_header = None
    body_named = ("event_type",)

    def dress(self, text):
        """A secret as the provider writes them."""
        return text

    def other(self):
        return self.dress("another secret")

    def listed(self, items, stamp):
        return items

    def write(self):
        mutants.nothing_changed(self)
        mutants.bodies(self)
        if self.opaque:
            mutants.odd_bodies(self)
        mutants.headers(self)
        mutants.digests(self)
        if self.prefix:
            mutants.prefixes(self)
        mutants.algorithms(self)
        if self.has_secret:
            mutants.secrets(self)
        if self.separator:
            mutants.lists(self)
        else:
            mutants.lonely(self)
        if self.encoding == "base64":
            mutants.url_safe(self)
        if self.id_header:
            mutants.names(self, self.id_header)
        self.more()

    def more(self):
        """What only this provider has."""


class GitHub(OfBody):
    name = "github"
    oracle = library("gidgethub")
    header = "X-Hub-Signature-256"
    prefix = "sha256="
    either_case = "GitHub's own library, octokit's webhooks-methods, reads hex in either case (trap 9)"
    body = '{"action": "opened","number":7,"score":1.0,"title":"Zoë \\u00e9"}'.encode()
    id = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
    id_header = "X-GitHub-Delivery"
    event_type = "com.github.pull_request.opened"

    def others(self, body, stamp):
        return [("Content-Type", "application/json"), ("X-GitHub-Event", "pull_request"), ("X-GitHub-Delivery", self.id)]

    def ask(self, request, secret, at):
        gidgethub.sansio.validate_event(request.body, signature=request.get(self.header), secret=secret)
        return True

    def more(self):
        auth = {"scheme": "github", "secret": ["${A}", "${B}"]}
        self.vectors.add("two secrets under one key", self.request(secret=self.other()), auth, [self.secret, self.other()], trap=5)
        for event in ("ping", "push"):
            body = b'{"zen":"Speak like a human.","hook_id":1}'
            request = self.request(body=body)
            request.headers[2] = ("X-GitHub-Event", event)
            self.genuine(f"a {event}, which has no action", request, event_type=f"com.github.{event}", trap=2)
        form = b"payload=%7B%22action%22%3A%22closed%22%2C%22title%22%3A%22a+b%22%7D"
        request = self.request(body=form)
        request.headers[1] = ("Content-Type", "application/x-www-form-urlencoded")
        self.genuine("a form, signed as the form's bytes", request, event_type="com.github.pull_request.closed", trap=1)
        request = self.request(body=b'{"action":"closed","title":"a b"}')
        request.body = form
        request.headers[1] = ("Content-Type", "application/x-www-form-urlencoded")
        self.refused("a form, signed as the JSON in it", request, trap=1)
        sha1 = "sha1=" + self.digest(self.body, self.secret, None, "sha1").hex()
        self.refused("the SHA-1 header alone", self.request(value=None, more=[("X-Hub-Signature", sha1)]), trap=3)
        self.genuine("the SHA-1 header beside, wrong", self.request(more=[("X-Hub-Signature", "sha1=" + "0" * 40)]), trap=3)
        bad = "sha256=" + "0" * 64
        self.refused("the SHA-1 header good, the other bad", self.request(value=bad, more=[("X-Hub-Signature", sha1)]), trap=3)
        twice = b'{"action":"opened","action":"closed"}'
        self.genuine("a key twice: the last one is read", self.request(body=twice), event_type="com.github.pull_request.closed", trap=14)
        self.genuine("a key twice, the last no text", self.request(body=b'{"action":"opened","action":null}'), event_type="com.github.pull_request", trap=14)


class Bitbucket(OfBody):
    name = "bitbucket"
    oracle = documented("https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/")
    header = "X-Hub-Signature"
    prefix = "sha256="
    body = '{"push": {"changes":[{"new":{"name":"Zoë \\u00e9"},"n":1.0}]}}'.encode()
    id = "9b6d6b1c-6f0a-4a3e-9d55-7a2f5d2b7f10"
    id_header = "X-Request-UUID"
    event_type = "org.bitbucket.repo.push"

    def others(self, body, stamp):
        return [("Content-Type", "application/json"), ("X-Event-Key", "repo:push"), ("X-Request-UUID", self.id)]

    def more(self):
        text = self.digest(self.body, self.secret, None).hex()
        self.refused("the signature in GitHub's header", self.request(value=None, more=[("X-Hub-Signature-256", "sha256=" + text)]), trap=3)


class Jira(Bitbucket):
    name = "jira"
    oracle = documented("https://developer.atlassian.com/cloud/jira/platform/webhooks/")
    body = '{"webhookEvent": "jira:issue_created","issue":{"key":"A-1","n":1.0,"s":"Zoë \\u00e9"}}'.encode()
    id = "1:8f2b6c1e-2f5a-4a0d-8f3c-0d9d1a3c5e77"
    id_header = "X-Atlassian-Webhook-Identifier"
    event_type = "com.atlassian.jira.issue_created"

    def others(self, body, stamp):
        return [("Content-Type", "application/json"), ("X-Atlassian-Webhook-Identifier", self.id)]

    def more(self):
        super().more()
        again = self.request(more=[("X-Atlassian-Webhook-Retry", "1")])
        self.genuine("a retry, which keeps its id", again, trap=7)


class Intercom(OfBody):
    name = "intercom"
    oracle = documented("https://developers.intercom.com/docs/webhooks/webhook-notifications")
    header = "X-Hub-Signature"
    prefix = "sha1="
    hash = "sha1"
    body = '{"type": "notification_event","topic":"contact.created","id":"notif_1","n":1.0,"s":"Zoë \\u00e9"}'.encode()
    id = "notif_1"
    event_type = "com.intercom.contact.created"
    body_named = ("delivery_id", "event_type")

    def more(self):
        twice = b'{"id":"notif_1","id":"notif_2","topic":"a"}'
        self.genuine("the id twice: the last one is read", self.request(body=twice), delivery_id="notif_2", event_type="com.intercom.a", trap=14)
        asked = self.request(value=None, body=b"")
        asked.method = "HEAD"
        self.genuine("a HEAD, which tries the address", asked, expect="handshake", asked=False, handshake={"success": True}, delivery_id=None)


class Sentry(OfBody):
    name = "sentry"
    oracle = documented("https://docs.sentry.io/organization/integrations/integration-platform/webhooks/")
    header = "Sentry-Hook-Signature"
    body = '{"action": "created","data":{"issue":{"id":"1","n":1.0,"s":"Zoë \\u00e9"}}}'.encode()
    id = "7f0d6c5e1c2b4a3d9e8f7a6b5c4d3e2f"
    event_type = "io.sentry.issue.created"
    id_header = "Request-ID"

    def others(self, body, stamp):
        named = [("Sentry-Hook-Resource", "issue"), ("Sentry-Hook-Timestamp", str(AT)), ("Request-ID", self.id)]
        return [("Content-Type", "application/json"), *named]

    def more(self):
        request = self.request()
        request.headers[3] = ("Sentry-Hook-Timestamp", "1")
        self.genuine("an old timestamp, which is not signed and proves nothing", request)


class Dropbox(OfBody):
    name = "dropbox"
    oracle = documented("https://www.dropbox.com/developers/reference/webhooks")
    header = "X-Dropbox-Signature"
    event_type = "com.dropbox.changed"
    body = '{"list_folder": {"accounts":["dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc"],"n":1.0,"s":"Zoë \\u00e9"}}'.encode()

    def facts(self, **facts):
        return {"delivery_id": "", "event_type": self.event_type, **facts}

    def more(self):
        for name, query, body in [
            ("a challenge", "challenge=abc123", "abc123"),
            ("a challenge of markup, which must not be taken for a page", "challenge=%3Cscript%3Ealert(1)%3C%2Fscript%3E", "<script>alert(1)</script>"),
            ("a challenge with a blank", "challenge=a+b%20c", "a b c"),
            ("a challenge among others", "x=1&challenge=abc&y=2", "abc"),
        ]:
            self.answered(name, query, body)
        for name, query in {"without a challenge": None, "with two challenges": "challenge=a&challenge=b", "with an empty challenge": "challenge="}.items():
            request = self.request(value=None, body=b"")
            request.method, request.query = "GET", query
            self.refused(f"a GET {name}", request, asked=False)
        request = self.request()
        request.method = "GET"
        self.refused("a signed GET without a challenge", request, asked=False)
        request = self.request(value=None)
        request.query = "challenge=abc"
        self.refused("a challenge in a POST, not signed", request)
        request = self.request()
        request.query = "challenge=abc"
        self.genuine("a signed event at an address with a challenge", request)

    def answered(self, name, query, body):
        request = self.request(value=None, body=b"")
        request.method, request.query = "GET", query
        headers = {"content-type": "text/plain", "x-content-type-options": "nosniff"}
        handshake = {"status": 200, "headers": headers, "text": body}
        self.genuine(name, request, expect="handshake", asked=False, handshake=handshake, delivery_id=None)


class PagerDuty(OfBody):
    name = "pagerduty"
    oracle = documented("https://developer.pagerduty.com/docs/webhooks/webhook-signatures/")
    header = "X-PagerDuty-Signature"
    prefix = "v1="
    unknown = "v0="
    separator = ","
    body = '{"event": {"id":"01DE","event_type":"incident.triggered","n":1.0,"s":"Zoë \\u00e9"}}'.encode()
    id = "01DE"
    event_type = "com.pagerduty.incident.triggered"
    body_named = ("delivery_id", "event_type")

    def others(self, body, stamp):
        return [("Content-Type", "application/json"), ("X-Webhook-Id", "the-subscription")]

    def ask(self, request, secret, at):
        own = "v1=" + self.digest(request.body, secret, None).hex()
        return own in request.get(self.header).split(",")

    def more(self):
        twice = b'{"event":{"id":"01DE"},"event":{"id":"01DF"}}'
        self.genuine("the event twice: the last one is read", self.request(body=twice), delivery_id="01DF", event_type="belfry.webhook", trap=14)


class Shopify(OfBody):
    name = "shopify"
    oracle = documented("https://shopify.dev/docs/apps/build/webhooks/verify-deliveries")
    header = "X-Shopify-Hmac-Sha256"
    encoding = "base64"
    body = '{"id": 820982911946154508,"total":1.0,"name":"Zoë \\u00e9"}'.encode()
    id = "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"
    event_type = "com.shopify.orders.create"
    id_header = "X-Shopify-Webhook-Id"

    def others(self, body, stamp):
        named = [("X-Shopify-Topic", "orders/create"), ("X-Shopify-Shop-Domain", "a.myshopify.com"), ("X-Shopify-Webhook-Id", self.id)]
        return [("Content-Type", "application/json"), *named]

    def more(self):
        request = self.request()
        request.headers = [(name.removeprefix("X-"), value) for name, value in request.headers]
        self.genuine("under the newer names", request, asked=False)
        request = self.request(secret=self.other())
        request.headers = [(name.removeprefix("X-"), value) for name, value in request.headers]
        self.refused("under the newer names, signed with another secret", request, asked=False)


class Linear(OfBody):
    name = "linear"
    oracle = documented("https://linear.app/developers/webhooks#securing-webhooks")
    header = "Linear-Signature"
    id = "234d1a4e-b617-4388-90fe-adc3633d6b72"
    id_header = "Linear-Delivery"
    event_type = "app.linear.Issue.create"
    stamp = str(AT * 1000)
    unit = 1000
    tolerance = 60
    opaque = False
    body = b'{"action": "create","type":"Issue","data":{"n":1.0,"s":"\\u00e9"},"webhookTimestamp":%d}' % (AT * 1000)

    def others(self, body, stamp):
        return [("Content-Type", "application/json"), ("Linear-Delivery", self.id), ("Linear-Event", "Issue")]

    def request(self, body=None, stamp=None, **more):
        if stamp is not None and body is None:
            body = self.body.replace(self.stamp.encode(), stamp.encode())
        return super().request(body=body, **more)

    def ask(self, request, secret, at):
        stamp = json.loads(request.body.decode())["webhookTimestamp"]
        near = type(stamp) is int and abs(at * 1000 - stamp) <= 60_000
        return near and super().ask(request, secret, at)

    def more(self):
        mutants.stamps(self)
        for name, stamp in {
            "in seconds": str(AT),
            "as text": f'"{AT * 1000}"',
            "with a fraction": f"{AT * 1000}.5",
            "with an exponent": "1.795e12",
            "in a list": f"[{AT * 1000}]",
            "of true": "true",
            "of null": "null",
            "of 2^70": str(2**70),
        }.items():
            self.refused(f"a timestamp {name}", self.request(stamp=stamp))
        self.refused("no timestamp in the body", self.request(body=b'{"type":"Issue"}'), trap=11)
        header = [("Linear-Timestamp", str(AT * 1000))]
        self.refused("no timestamp but the header's, which is not signed", self.request(body=b'{"type":"Issue"}', more=header))
        self.refused("an old timestamp in the body, a good one in the header", self.request(stamp=str(AT * 1000 - 61_000), more=header))
        self.genuine("an old timestamp in the header, which proves nothing", self.request(more=[("Linear-Timestamp", "1")]))
        for name, body in {"a body of text": b"hello", "an empty body": b"", "a body that is a list": b"[]", "a body that is cut JSON": self.body[:-1]}.items():
            self.refused(f"{name}, which has no timestamp", self.request(body=body), trap=11)
        marked = self.request(body=mutants.BOM + self.body)
        self.refused("a byte order mark, which JSON does not allow", marked, trap=11)
        old, new = str(AT * 1000 - 61_000), str(AT * 1000)
        late = f'{{"type":"Issue","webhookTimestamp":{new},"webhookTimestamp":{old}}}'.encode()
        self.refused("two timestamps, the last one old", self.request(body=late), trap=14)
        good = f'{{"type":"Issue","action":"x","action":"remove","webhookTimestamp":{old},"webhookTimestamp":{new}}}'.encode()
        self.genuine("two timestamps, the last one good", self.request(body=good), trap=14, event_type="app.linear.Issue.remove")
        agent = f'{{"type":"AgentSessionEvent","action":"created","webhookTimestamp":{new}}}'.encode()
        self.genuine("a type in capitals", self.request(body=agent), trap=2, event_type="app.linear.AgentSessionEvent.created")


ALL = [GitHub, Bitbucket, Jira, Intercom, Sentry, Dropbox, PagerDuty, Shopify, Linear]
