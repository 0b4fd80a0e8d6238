"""The providers that sign with a private key."""

import base64
import contextlib
import io
import json
from unittest import mock

import discord_interactions
import sendgrid.helpers.eventwebhook
import sns_message_validator
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

import keys
import mutants
from bodies import OfBody
from scheme import library, of_all
from timed import Timed
from vector import AT, Request


class PublicKey(Timed):
    """A scheme whose `secret` is the label of a private key, and whose public key is in `auth`."""

    secret = "the provider's key"
    has_secret = False

    keys = None
    """The `public_key` of `auth`, if it is not that of `secret` alone."""

    def auth(self, secrets):
        return {"scheme": self.name, "public_key": self.keys or self.public(self.secret)}

    def genuine(self, name, request, secrets=None, **more):
        super().genuine(name, request, secrets or [], **more)

    def refused(self, name, request, rule=None, secrets=None, **more):
        super().refused(name, request, rule, [], **more)

    def judged(self, name, request, secrets=None, **more):
        super().judged(name, request, [], **more)

    def write(self):
        mutants.nothing_changed(self)
        mutants.bodies(self)
        mutants.odd_bodies(self)
        mutants.headers(self)
        mutants.digests(self)
        mutants.lonely(self)
        mutants.odd_stamps(self)
        mutants.stamp_headers(self, self.stamp_header)
        mutants.stamps(self)
        self.refused("signed with another key", self.request(secret=self.other()))
        self.rotated()
        self.more()

    def rotated(self):
        """Keys that are written in other ways. The library is asked about the first one."""
        own, other = self.public(self.secret), self.public(self.other())
        rule = "of several keys any may match (trap 5)"
        self.keys = [other, own]
        self.genuine("two keys, signed with the second", self.request(), rule=rule, trap=5)
        self.genuine("two keys, signed with the first", self.request(secret=self.other()), rule=rule, trap=5)
        self.refused("two keys, signed with a third", self.request(secret="third"), trap=5)
        self.keys = "${A}"
        self.genuine("a key by its name", self.request(), [own])
        self.keys = None


class Discord(PublicKey):
    name = "discord"
    oracle = library("discord-interactions")
    header = "X-Signature-Ed25519"
    stamp_header = "X-Signature-Timestamp"
    body = '{"id": "1","type":2,"data":{"name":"weather","n":1.0,"s":"Zoë \\u00e9"},"token":"t"}'.encode()
    id = "1"
    event_type = "com.discord.application_command"
    body_named = ("delivery_id", "event_type")

    def public(self, label):
        raw = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return keys.ed25519_key(label).public_key().public_bytes(*raw).hex()

    def digest(self, body, secret, stamp, hash=None):
        return keys.ed25519_key(secret).sign(stamp.encode() + body)

    def others(self, body, stamp):
        return [("Content-Type", "application/json"), (self.stamp_header, stamp)]

    def ask(self, request, secret, at):
        with contextlib.redirect_stdout(io.StringIO()):
            return discord_interactions.verify_key(
                request.body, request.get(self.header), request.get(self.stamp_header), self.public(self.secret)
            )

    def more(self):
        ping = b'{"id":"1","application_id":"2","type":1,"token":"t","version":1}'
        answer = {"status": 200, "json": {"type": 1}}
        self.genuine("a PING", self.request(body=ping), expect="handshake", handshake=answer, delivery_id=None, trap=13)
        self.refused("a PING that is not signed", self.request(body=ping, value=None), trap=13)
        self.refused("a PING signed with another key", self.request(body=ping, secret=self.other()), trap=13)
        event = b'{"version":1,"application_id":"2","type":1,"event":{"type":"APPLICATION_AUTHORIZED","timestamp":"x","data":{}}}'
        self.genuine("a webhook event, whose type is that of a PING", self.request(body=event), delivery_id="", event_type="com.discord.APPLICATION_AUTHORIZED")
        asked = b'{"version":1,"application_id":"2","type":0}'
        self.genuine("the PING of webhook events", self.request(body=asked), expect="handshake", handshake={"status": 204}, delivery_id=None, trap=13)
        self.refused("the PING of webhook events, not signed", self.request(body=asked, value=None), trap=13)
        digest = self.digest(self.body, self.secret, self.stamp)
        order = 2**252 + 27742317777372353535851937790883648493
        more = digest[:32] + (int.from_bytes(digest[32:], "little") + order).to_bytes(32, "little")
        self.refused("a signature made another one of the same message", self.request(text=more.hex()))
        moved = self.request(body=b"1" + self.body)
        moved.body = self.body
        moved.headers = [(key, value + "1" if key == self.stamp_header else value) for key, value in moved.headers]
        self.refused("a digit moved from the body to the timestamp", moved, mutants.NEAR)


class SendGrid(PublicKey):
    name = "sendgrid"
    oracle = library("sendgrid")
    header = "X-Twilio-Email-Event-Webhook-Signature"
    stamp_header = "X-Twilio-Email-Event-Webhook-Timestamp"
    encoding = "base64"
    body = '[{"email": "a@example.com","event":"delivered","sg_event_id":"ZGVs","n":1.0,"s":"Zoë \\u00e9"}]\r\n'.encode()

    id = "ZGVs"
    event_type = "com.sendgrid.delivered"
    body_named = ("delivery_id", "event_type")

    def public(self, label):
        der = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(keys.p256_key(label).public_key().public_bytes(*der)).decode()

    def digest(self, body, secret, stamp, hash=None):
        """In DER. Of a length that base64 pads, since most are."""
        how = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        return keys.p256_key(secret).sign(stamp.encode() + body, how)

    def others(self, body, stamp):
        return [("Content-Type", "application/json"), (self.stamp_header, stamp)]

    def ask(self, request, secret, at):
        verifier = sendgrid.helpers.eventwebhook.EventWebhook(self.public(self.secret))
        return verifier.verify_signature(request.body.decode(), request.get(self.header), request.get(self.stamp_header))

    def more(self):
        r, s = utils.decode_dss_signature(self.digest(self.body, self.secret, self.stamp))
        other = utils.encode_dss_signature(r, keys.P256_ORDER - s)
        self.judged("the other signature of the pair that ECDSA allows", self.request(text=self.encode(other)))
        for name, digest in {
            "r and s without DER": r.to_bytes(32) + s.to_bytes(32),
            "r and s of zero": utils.encode_dss_signature(0, 0),
            "s plus the order": utils.encode_dss_signature(r, s + keys.P256_ORDER),
            "a byte after the DER": self.digest(self.body, self.secret, self.stamp) + b"\0",
        }.items():
            self.refused(name, self.request(text=self.encode(digest)))
        many = b'[{"sg_event_id":"a","event":"open"},{"sg_event_id":"b","event":"click"}]\r\n'
        self.genuine("several events", self.request(body=many), delivery_id=of_all("a", "b"), event_type="com.sendgrid.open")
        trimmed = self.request()
        trimmed.body = self.body.rstrip()
        self.refused("the CR LF after the body trimmed", trimmed, trap=1)
        line = self.request()
        line.body = self.body.replace(b"\r\n", b"\n")
        self.refused("the CR LF after the body made LF", line, trap=1)


class Sns(OfBody):
    """The signature is a field of the body."""

    name = "sns"
    oracle = library("aws-sns-message-validator")
    has_secret = False
    secret = "amazon's key"
    encoding = "base64"
    url = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0000000000000000000000.pem"
    later = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:MyTopic",
        "Subject": "My first message",
        "Message": "Hello, Zoë\nand \"co\"",
        "Timestamp": "2026-11-18T11:06:40.000Z",
        "SignatureVersion": "1",
    }
    id = later["MessageId"]
    event_type = "com.amazonaws.sns.Notification"
    topics = later["TopicArn"]
    hosts = None

    def auth(self, secrets):
        hosts = {"cert_hosts": self.hosts} if self.hosts else {}
        return {"scheme": self.name, "topic_arn": self.topics, **hosts}

    def canonical(self, message):
        """The signed fields in the order of their names, each with its name before it."""
        kinds = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
        mine = ("SubscribeURL", "Token") if message.get("Type") == "Notification" else ("Subject",)
        named = [key for key in kinds if key not in mine and message.get(key) is not None]
        return "".join(f"{key}\n{message[key]}\n" for key in named).encode()

    def message(self, without=(), key=None, hash=None, signed=None, **fields):
        """A message. `signed` are fields that it has when it is signed, and not when it is sent."""
        message = {**self.later, "SigningCertURL": self.url, "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe", **fields}
        message = {name: value for name, value in message.items() if name not in without}
        hash = hash or (hashes.SHA256() if message.get("SignatureVersion") == "2" else hashes.SHA1())
        digest = keys.rsa_key(key or self.secret).sign(self.canonical({**message, **(signed or {})}), padding.PKCS1v15(), hash)
        return {**message, "Signature": base64.b64encode(digest).decode()}

    def sent(self, message, more=()):
        body = message if isinstance(message, bytes) else json.dumps(message, ensure_ascii=False).encode()
        kind = message.get("Type", "Notification") if isinstance(message, dict) else "Notification"
        headers = [("Content-Type", "text/plain; charset=UTF-8"), ("x-amz-sns-message-type", str(kind))]
        return Request([*headers, *more], body)

    def ask(self, request, secret, at):
        """The library knows version 1 alone; version 2 is the same with SHA-256."""
        message = json.loads(request.body.decode())
        validator = sns_message_validator.SNSMessageValidator(signature_version=message["SignatureVersion"])
        assert message["SignatureVersion"] in ("1", "2")
        module = "sns_message_validator.sns_message_validator"
        session = mock.Mock(get=lambda url: mock.Mock(content=self.pem.encode()))
        hash = hashes.SHA1 if message["SignatureVersion"] == "1" else hashes.SHA256
        with mock.patch.object(validator, "_cert_session", session), mock.patch(f"{module}.SHA1", hash):
            validator.validate_message(message)
        return True

    @property
    def pem(self):
        return keys.certificate(self.secret)

    def facts(self, **facts):
        return {**super().facts(), "certificate_pem": self.pem, **facts}

    def genuine(self, name, request, secrets=None, **more):
        super().genuine(name, request, [], **more)

    def refused(self, name, request, rule=None, secrets=None, **more):
        super().refused(name, request, rule, [], **{"certificate_pem": self.pem, **more})

    def write(self):
        self.messages()
        self.fields()
        self.signatures()
        self.certificates()
        self.subscriptions()
        self.configured()
        self.documents()

    def messages(self):
        for version in ("1", "2"):
            message = self.message(SignatureVersion=version)
            self.genuine(f"a notification, version {version}", self.sent(message))
            self.genuine(f"a notification without a subject, version {version}", self.sent(self.message(without=["Subject"], SignatureVersion=version)))
            shown = {key: message[key] for key in reversed(message)}
            self.genuine(f"its fields in another order, version {version}", self.sent(shown))
            self.genuine(f"its JSON written otherwise, version {version}", self.sent(json.dumps(message, indent=1).encode()))
        plain = self.sent(self.message())
        plain.headers = [("Content-Type", "application/json")]
        self.genuine("as JSON, without Amazon's headers", plain)
        self.genuine("an empty message", self.sent(self.message(Message="")))
        odd = 'a\r\nb\t"\\/\u2028\U0001f511'
        self.genuine("a message of odd characters", self.sent(self.message(Message=odd)))
        self.genuine("a message that is JSON", self.sent(self.message(Message='{"Records": [{"n":1.0}]}')), trap=1)
        self.genuine("a field that is not signed, added", self.sent({**self.message(), "MessageAttributes": {"a": {"Type": "String", "Value": "b"}}}))
        again = self.sent(self.message(), more=[("x-amz-sns-rawdelivery", "false")])
        self.genuine("delivered again an hour later: its timestamp is that of its publication", again, at=AT + 3600, trap=7)
        rule = "Amazon tries for an hour; the library does not look at the timestamp"
        self.refused("replayed after an hour", again, rule, at=AT + 3601)
        self.refused("of more than an hour ahead", again, rule, at=AT - 3601)
        self.refused("a timestamp that is none", self.sent(self.message(Timestamp="now")), rule)
        left = {"Type": "UnsubscribeConfirmation", "Token": "abc", "SubscribeURL": "https://sns.us-east-1.amazonaws.com/?a=b"}
        left = self.sent(self.message(without=("Subject", "UnsubscribeURL"), **left))
        self.genuine("the end of a subscription, which is an event", left, event_type="com.amazonaws.sns.UnsubscribeConfirmation")

    def fields(self):
        for version in ("1", "2"):
            for field in ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"):
                message = self.message(SignatureVersion=version)
                changed = {**message, field: message[field] + "x"}
                self.refused(f"{field} changed, version {version}", self.sent(changed))
                dropped = {key: value for key, value in message.items() if key != field}
                self.refused(f"{field} dropped, version {version}", self.sent(dropped))
            named = {**self.message(without=["Subject"], SignatureVersion=version), "Subject": "added"}
            self.refused(f"a subject added, version {version}", self.sent(named))
        for field in ("Signature", "SignatureVersion", "SigningCertURL"):
            self.refused(f"no {field}", self.sent({key: value for key, value in self.message().items() if key != field}))
            self.refused(f"{field} that is a number", self.sent({**self.message(), field: 1}))
        split = self.message(Message="a\nMessageId\nb", MessageId="c")
        rule = "a delivery id is visible ASCII: else one signature would do for two ways to part the signed lines"
        self.refused("fields that run into each other", self.sent({**split, "Message": "a", "MessageId": "b\nMessageId\nc"}), rule)
        self.refused("a notification as a confirmation", self.sent({**self.message(), "Type": "SubscriptionConfirmation"}))
        self.refused("a type that is unknown", self.sent(self.message(Type="Other")))
        self.refused("version 1 signed as version 2", self.sent(self.message(hash=hashes.SHA256())), trap=3)
        self.refused("version 2 signed as version 1", self.sent(self.message(hash=hashes.SHA1(), SignatureVersion="2")), trap=3)
        self.refused("version 1 said to be 2", self.sent({**self.message(), "SignatureVersion": "2"}), trap=3)
        self.refused("version 3", self.sent(self.message(SignatureVersion="3")), trap=5)

    def signatures(self):
        message = self.message()
        text = message["Signature"]
        digest = base64.b64decode(text)
        for name, written, rule in [
            ("an empty signature", "", None),
            ("a bit of the signature's first byte flipped", base64.b64encode(mutants.flip(digest, 0)).decode(), None),
            ("a bit of the signature's last byte flipped", base64.b64encode(mutants.flip(digest, -1)).decode(), None),
            ("half a signature", base64.b64encode(digest[:128]).decode(), None),
            ("a signature with a byte more", base64.b64encode(digest + b"\0").decode(), None),
            ("a signature in hex", digest.hex(), None),
            ("a signature without padding", text.rstrip("="), None),
            ("junk after the padding", text + "x", mutants.ONE_WAY),
            ("a line feed in the signature", text[:64] + "\n" + text[64:], mutants.ONE_WAY),
            ("a mark in the signature", text[:4] + "*" + text[4:], mutants.ONE_WAY),
            ("a signature of zero bytes", base64.b64encode(bytes(256)).decode(), None),
            ("a signature of one", base64.b64encode(b"\0" * 255 + b"\1").decode(), None),
        ]:
            self.refused(name, self.sent({**message, "Signature": written}), rule, trap=9)
        self.refused("signed with another key", self.sent(self.message(key="another's key")))

    def certificates(self):
        host = "https://sns.us-east-1.amazonaws.com"
        for name, url in {
            "no https": self.url.replace("https", "http"),
            "another host": self.url.replace("sns.us-east-1.amazonaws.com", "evil.example.net"),
            "Amazon's host as the beginning of another": self.url.replace(".com/", ".com.evil.example.net/"),
            "Amazon's host as a path": "https://evil.example.net/" + self.url.removeprefix("https://"),
            "Amazon's host as a user": self.url.replace(".com/", ".com@evil.example.net/"),
            "Amazon's host as a query": "https://evil.example.net/?" + self.url,
            "another of Amazon's services": self.url.replace("sns.us-east-1", "mybucket.s3"),
            "a host of no region": self.url.replace("sns.us-east-1", "sns"),
            "a host under a region": self.url.replace("sns.us-east-1", "x.sns.us-east-1"),
            "a host with another name's end": self.url.replace("sns.", "evilsns."),
            "a blank before it": " " + self.url,
            "no address": "",
        }.items():
            self.refused(f"a certificate at {name}", self.sent(self.message(SigningCertURL=url)))
        rule = "a certificate is at the standard port, in a .pem file, without a query or a fragment"
        for name, url in {
            "another port": self.url.replace(".com/", ".com:8443/"),
            "no file of certificates": host + "/certificate.txt",
            "a query": host + "/?file=a.pem",
            "a fragment": host + "/evil#a.pem",
        }.items():
            self.refused(f"a certificate at {name}", self.sent(self.message(SigningCertURL=url)), rule)
        china = self.url.replace("us-east-1.amazonaws.com", "cn-north-1.amazonaws.com.cn")
        rule = "Amazon's own validators take the hosts of China, too"
        self.genuine("a certificate at Amazon's in China", self.sent(self.message(SigningCertURL=china)), rule=rule)
        west = self.url.replace("us-east-1", "us-gov-west-1")
        self.genuine("a certificate at another region", self.sent(self.message(SigningCertURL=west)))
        rule = "a certificate is good in its period of validity; the library does not look"
        self.refused("a certificate that has run out", self.sent(self.message()), rule, at=AT + 31 * 86_400)
        self.refused("a certificate that is not yet valid", self.sent(self.message()), rule, at=AT - 31 * 86_400)

    def subscriptions(self):
        visit = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-east-1:123456789012:MyTopic&Token=abc"

        def subscription(without=(), **more):
            fields = {"Type": "SubscriptionConfirmation", "Token": "abc", "Message": "You have chosen to subscribe", "SubscribeURL": visit, **more}
            return self.message(without=("Subject", "UnsubscribeURL", *without), **fields)

        answer = {"visit": visit}
        for version in ("1", "2"):
            asked = self.sent(subscription(SignatureVersion=version))
            self.genuine(f"a subscription, version {version}", asked, expect="handshake", handshake=answer, delivery_id=None, trap=13)
        for field in ("SubscribeURL", "Token", "Message", "TopicArn"):
            changed = {**subscription(), field: subscription()[field] + "x"}
            self.refused(f"a subscription with {field} changed", self.sent(changed), trap=13)
        self.refused("a subscription signed with another key", self.sent(subscription(key="another's key")), trap=13)
        rule = "no address is visited that is not Amazon's, whoever signed it"
        for name, url in {
            "another host": visit.replace("sns.us-east-1.amazonaws.com", "evil.example.net"),
            "no https": visit.replace("https", "http"),
            "this machine": "https://127.0.0.1/",
        }.items():
            self.refused(f"a subscription at {name}", self.sent(subscription(SubscribeURL=url)), rule)
        self.refused("a subscription without an address", self.sent(subscription(without=["SubscribeURL"])))

    def configured(self):
        rule = "anybody may have a topic at Amazon, which signs for them all: only those that are configured are taken"
        other = self.later["TopicArn"] + "2"
        self.refused("another topic", self.sent(self.message(TopicArn=other)), rule)
        asked = self.message(("Subject",), Type="SubscriptionConfirmation", Token="abc", SubscribeURL="https://sns.us-east-1.amazonaws.com/", TopicArn=other)
        self.refused("a subscription to another topic", self.sent(asked), rule)
        self.topics = [other, self.later["TopicArn"]]
        self.genuine("the second of two topics", self.sent(self.message()))
        self.genuine("the first of two topics", self.sent(self.message(TopicArn=other)))
        self.topics = self.later["TopicArn"]
        self.hosts = ["sns.us-east-1.amazonaws.com"]
        self.genuine("a configured host", self.sent(self.message()))
        rule = "where hosts are configured, no other will do"
        west = self.message(SigningCertURL=self.url.replace("us-east-1", "us-west-2"))
        self.refused("a region that is not configured", self.sent(west), rule)
        self.hosts = None

    def documents(self):
        for name, body in {
            "an empty body": b"",
            "a body of text": b"hello",
            "a body that is a list": b"[]",
            "a body that is cut JSON": json.dumps(self.message()).encode()[:-1],
            "a body that is not UTF-8": b'{"Type":"\xff"}',
            "a byte order mark before the body": mutants.BOM + json.dumps(self.message()).encode(),
        }.items():
            self.refused(name, self.sent(body), trap=11)
        text = json.dumps(self.message())
        last = "of a key that is there twice, the last one is read, by whoever reads it"
        forged = text[:-1] + ', "Message": "forged"}'
        self.refused("the message twice, the signed one first", self.sent(forged.encode()), last, trap=14)
        good = '{"Message": "forged", ' + text[1:]
        self.genuine("the message twice, the signed one last", self.sent(good.encode()), trap=14)


ALL = [Discord, SendGrid, Sns]
