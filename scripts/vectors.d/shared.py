"""The providers that show a shared secret."""

import hmac
import json

import cloudevents.core.bindings.http
from cloudevents.core.bindings.http import HTTPMessage
from cloudevents.core.formats.json import JSONFormat

import mutants
from bodies import OfBody
from scheme import documented
from vector import Request


class Shown(OfBody):
    """A header holds the secret."""

    def signed(self, body, secret, stamp):
        return self.prefix + secret

    def ask(self, request, secret, at):
        return bool(secret) and hmac.compare_digest((self.prefix + secret).encode(), request.get(self.header).encode("iso-8859-1"))

    def write(self):
        mutants.nothing_changed(self)
        mutants.odd_bodies(self)
        mutants.headers(self)
        mutants.lonely(self)
        changed = self.request()
        changed.body = mutants.flip(self.body, 5)
        self.genuine("a body that was changed: it is not covered", changed)
        two = [self.secret, "another secret"]
        self.genuine("two secrets, the first shown", self.request(), two, trap=5)
        self.genuine("two secrets, the second shown", self.request(secret=two[1]), two, trap=5)
        self.refused("two secrets, a third shown", self.request(secret="third"), secrets=two, trap=5)
        self.refused("an empty secret, set and shown", self.request(secret=""), secrets=[""], trap=4)
        self.refused("an empty secret shown", self.request(secret=""), trap=4)
        for name, secret in {
            "a secret with blanks": "a secret with  blanks",
            "a secret of one character": "x",
            "a secret of 300 characters": "0123456789" * 30,
            "a secret with marks": "a;b,c=d\"e'f\\",
        }.items():
            self.genuine(name, self.request(secret=secret), [secret], trap=4)
            self.refused(f"{name}, a character less", self.request(secret=secret[:-1]), secrets=[secret], trap=4)
            self.refused(f"{name}, a character more", self.request(secret=secret + "x"), secrets=[secret], trap=4)
        self.refused("the secret in another case", self.request(secret=self.secret.swapcase()), trap=4)
        self.refused("the beginning of the secret", self.request(secret=self.secret[:8]))
        self.refused("another secret", self.request(secret="another secret"))
        mutants.names(self, self.id_header)
        self.more()


class GitLab(Shown):
    name = "gitlab"
    oracle = documented("https://docs.gitlab.com/user/project/integrations/webhooks/")
    header = "X-Gitlab-Token"
    body = '{"object_kind": "push","n":1.0,"s":"Zoë \\u00e9"}'.encode()
    id = "a-key"
    id_header = "Idempotency-Key"
    event_type = "com.gitlab.push"

    def others(self, body, stamp):
        named = [("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Event-UUID", "an-event-of-many"), ("Idempotency-Key", self.id)]
        return [("Content-Type", "application/json"), *named]

    def more(self):
        other = self.request()
        other.headers = [(key, "another" if key == "X-Gitlab-Event-UUID" else value) for key, value in other.headers]
        self.genuine("a retry with another X-Gitlab-Event-UUID", other, trap=7)
        merged = self.request(body=b'{"object_attributes":{"action":"open"}}')
        merged.headers = [(key, "Merge Request Hook" if key == "X-Gitlab-Event" else value) for key, value in merged.headers]
        self.genuine("an event of two words, and an action", merged, event_type="com.gitlab.merge_request.open", trap=2)
        self.refused("the secret as a bearer's", self.request(value=None, more=[("Authorization", f"Bearer {self.secret}")]))


class CloudEvents(Shown):
    name = "cloudevents"
    oracle = documented("https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md")
    header = "Authorization"
    prefix = "Bearer "
    body = '{"n": 1.0,"s":"Zoë \\u00e9"}'.encode()
    id = "e-1"
    id_header = "ce-id"
    event_type = "com.example.paid"

    def others(self, body, stamp):
        named = [("ce-specversion", "1.0"), ("ce-id", self.id), ("ce-source", "/a"), ("ce-type", self.event_type)]
        return [("Content-Type", "application/json"), *named]

    def more(self):
        request = self.request()
        event = cloudevents.core.bindings.http.from_http(HTTPMessage(dict(request.headers), request.body), JSONFormat())
        assert (event.get_id(), event.get_type()) == (self.id, self.event_type)
        rule = "the word before the token is in any case (RFC 9110, section 11.1)"
        self.genuine("the word before the token in lower case", self.request(value=f"bearer {self.secret}"), rule=rule)
        for name, value in {
            "no word before the token": self.secret,
            "another word before the token": f"Basic {self.secret}",
            "no blank before the token": f"Bearer{self.secret}",
            "two blanks before the token": f"Bearer  {self.secret}",
            "the word alone": "Bearer",
        }.items():
            self.refused(name, self.request(value=value))
        structured = json.dumps({"specversion": "1.0", "id": "e-2", "source": "/a", "type": "com.example.left", "data": {}}).encode()
        request = self.request(body=structured)
        request.headers = [("Authorization", f"Bearer {self.secret}"), ("Content-Type", "application/cloudevents+json")]
        event = cloudevents.core.bindings.http.from_http(HTTPMessage(dict(request.headers), request.body), JSONFormat())
        assert (event.get_id(), event.get_type()) == ("e-2", "com.example.left")
        self.genuine("structured mode", request, delivery_id="e-2", event_type="com.example.left")
        query = self.request(value=None)
        query.query = "access_token=It%27s%20a%20Secret%20to%20Everybody"
        self.refused("the token in the address, which logs keep", query)
        self.asked()

    def asked(self):
        for name, more in {
            "the question whether events may come": [],
            "the question with a rate": [("WebHook-Request-Rate", "120")],
        }.items():
            request = self.request(value=None, body=b"")
            request.method = "OPTIONS"
            request.headers = [("WebHook-Request-Origin", "eventemitter.example.com"), *more]
            headers = {"webhook-allowed-origin": "eventemitter.example.com"}
            if more:
                headers["webhook-allowed-rate"] = None
            answer = {"success": True, "headers": headers}
            self.genuine(name, request, expect="handshake", asked=False, handshake=answer, delivery_id=None, event_type=None)
        request = self.request(value=None, body=b"")
        request.method = "OPTIONS"
        request.headers = []
        self.refused("an OPTIONS without an origin", request, asked=False)
        request.headers = [("WebHook-Request-Origin", "a.example.com"), ("WebHook-Request-Origin", "b.example.com")]
        self.refused("an OPTIONS with two origins", request, asked=False, trap=8)


class MsGraph(OfBody):
    name = "msgraph"
    oracle = documented("https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks")
    has_secret = False
    header = "clientState"

    def item(self, state, **more):
        return {"subscriptionId": "s-1", "changeType": "updated", "clientState": state, "resource": "me/messages", **more}

    def sent(self, *states, raw=None):
        items = [self.item(state) for state in states]
        body = json.dumps({"value": items}).encode() if raw is None else raw
        return Request([("Content-Type", "application/json")], body)

    def facts(self, **facts):
        return {"delivery_id": "", "event_type": "com.microsoft.graph.updated", **facts}

    def ask(self, request, secret, at):
        items = json.loads(request.body.decode())["value"]
        return bool(items) and bool(secret) and all(item["clientState"] == secret for item in items)

    def write(self):
        own, other = self.secret, "another secret"
        self.genuine("an item with the secret", self.sent(own))
        self.genuine("three items with the secret", self.sent(own, own, own))
        for name, states in {
            "another secret": [other],
            "an empty secret": [""],
            "no secret but null": [None],
            "a number": [1],
            "a list with the secret": [[own]],
            "an object with the secret": [{"clientState": own}],
            "the secret in another case": [own.swapcase()],
            "the secret and a blank": [own + " "],
            "the secret but a character": [own[:-1]],
            "the first of two items with another secret": [other, own],
            "the last of two items with another secret": [own, other],
            "the middle of three items without one": [own, None, own],
        }.items():
            self.refused(name, self.sent(*states))
        item = json.dumps(self.item(own))
        bare = json.dumps({"subscriptionId": "s-1"})
        for name, raw, trap in [
            ("an item without a secret after one with", f'{{"value":[{item},{bare}]}}', None),
            ("an item without a secret before one with", f'{{"value":[{bare},{item}]}}', None),
            ("no items, and so none that proves anything", '{"value":[]}', None),
            ("items of null", '{"value":null}', None),
            ("an item of null beside one with the secret", f'{{"value":[{item},null]}}', None),
            ("an item of text beside one with the secret", f'{{"value":[{item},"x"]}}', None),
            ("a list in the list", f'{{"value":[[{item}]]}}', None),
            ("an item in place of the list", f'{{"value":{item}}}', None),
            ("a list in place of the object", f"[{item}]", None),
            ("the secret beside the items", json.dumps({"clientState": own, "value": [{}]}), None),
            ("an empty body", "", 11),
            ("a body of text", "hello", 11),
            ("a body that is cut JSON", f'{{"value":[{item}]', 11),
            ("a byte order mark before the body", f'\ufeff{{"value":[{item}]}}', 11),
            ("the items twice, the good ones first", f'{{"value":[{item}],"value":[{bare}]}}', 14),
            ("the secret twice, the good one first", f'{{"value":[{item[:-1]},"clientState":"x"}}]}}', 14),
        ]:
            self.refused(name, self.sent(raw=raw.encode()), trap=trap)
        good = item.replace("{", '{"clientState": "x", ', 1)
        for name, raw in {
            "the items twice, the good ones last": f'{{"value":[{bare}],"value":[{item}]}}',
            "the secret twice, the good one last": f'{{"value":[{good}]}}',
        }.items():
            self.genuine(name, self.sent(raw=raw.encode()), trap=14)
        two = [own, other]
        self.genuine("two secrets, the second shown", self.sent(other), two, trap=5)
        self.refused("two secrets, a third shown", self.sent("third"), secrets=two, trap=5)
        self.refused("an empty secret, set and shown", self.sent(""), secrets=[""], trap=4)
        for name, secret in {"blanks in the secret": " a  b ", "a secret in Unicode": "pässwörd \U0001f511", "a long secret": "0123456789" * 12}.items():
            self.genuine(name, self.sent(secret), [secret], trap=4)
            escaped = json.dumps({"value": [self.item(secret)]}, ensure_ascii=False)
            self.genuine(f"{name}, written without escapes", self.sent(raw=escaped.encode()), [secret], trap=4)
        self.tokens()

    def tokens(self):
        for name, query, body in [
            ("the validation of an address", "validationToken=Validation%3a+Testing+client+application", "Validation: Testing client application"),
            ("the validation of an address, escaped otherwise", "validationToken=a%20b%2Bc%3Cb%3E", "a b+c<b>"),
            ("the validation of an address, among others", "x=1&validationToken=abc", "abc"),
        ]:
            request = self.sent(raw=b"")
            request.headers = [("Content-Type", "text/plain; charset=utf-8")]
            request.query = query
            answer = {"status": 200, "headers": {"content-type": "text/plain"}, "text": body}
            self.genuine(name, request, expect="handshake", asked=False, handshake=answer, delivery_id=None)
        for name, query in {"a token that is not UTF-8": "validationToken=%ff", "an empty token": "validationToken=", "two tokens": "validationToken=a&validationToken=b"}.items():
            request = self.sent(raw=b"")
            request.query = query
            self.refused(name, request, asked=False, trap=11)
        request = self.sent("another secret")
        request.query = "validationtoken=abc"
        self.refused("a token of another name, and no secret", request)


ALL = [GitLab, CloudEvents, MsGraph]
