"""Mutants of genuine requests, made in the same ways for every scheme."""

import base64
import json

from vector import AT

BYTES = "signatures are over the bytes as received, whatever they are; the library takes text only"
ONE_WAY = "a signature is written in one way: anything beside its digits or its base64 refuses it (trap 9)"
DIGITS = "a timestamp is written in ASCII digits alone: no sign, blank, separator or fraction"
NEAR = "a timestamp must be near now in either direction; the oracle looks only backward, or not at all"
KEYLESS = "an empty secret is a mistake of configuration and refuses everything (trap 4)"
BOM = b"\xef\xbb\xbf"


def flip(data, at):
    """The bytes with a bit of one of them flipped."""
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def nothing_changed(s):
    s.genuine("as the provider signs it", s.request())


def bodies(s):
    """Bodies that are changed on the way, and odd bodies that are signed."""
    changed = {
        "a bit of the body's first byte flipped": flip(s.body, 0),
        "a bit in the middle of the body flipped": flip(s.body, len(s.body) // 2),
        "a bit of the body's last byte flipped": flip(s.body, -1),
        "a line feed after the body": s.body + b"\n",
        "CR LF after the body": s.body + b"\r\n",
        "a blank after the body": s.body + b" ",
        "a zero byte after the body": s.body + b"\0",
        "a byte order mark before the body": BOM + s.body,
        "the body cut by a byte": s.body[:-1],
        "the body emptied": b"",
        "the body doubled": s.body * 2,
    }
    try:
        document = json.loads(s.body)
        changed["the body's JSON written anew, with blanks"] = json.dumps(document, ensure_ascii=False).encode()
        changed["the body's JSON written anew, without blanks"] = json.dumps(document, separators=(",", ":")).encode()
    except ValueError:
        pass
    for name, body in changed.items():
        assert body != s.body, f"{s.name}: {name}: it is the same"
        request = s.request()
        request.body = body
        s.refused(name, request, trap=1)
    for name, body in {
        "white space around the body trimmed": b" \n" + s.body + b"\n",
        "a byte order mark before the body dropped": BOM + s.body,
        "CR LF in the body made LF": s.body + b"\r\n",
        "the body's bad UTF-8 replaced": s.body + b"\xff",
    }.items():
        request = s.request(body=body)
        request.body = body.decode("utf-8-sig", "replace").replace("\r\n", "\n").strip().encode()
        s.refused(name, request, trap=1)


def odd_bodies(s):
    """Bodies of any bytes are good where nothing in them is needed."""
    unnamed = {key: None for key in s.body_named}
    for name, body, rule, trap in [
        ("white space around the body, signed with it", b"\n " + s.body + b" \n", None, 1),
        ("a byte order mark before the body, signed with it", BOM + s.body, BYTES, 11),
        ("a body that is not UTF-8", b"\xff\xfe{\x80", BYTES, 11),
        ("a body of text", b"hello, world", None, 11),
        ("a body that is cut JSON", b'{"id":"x', None, 11),
        ("an empty body", b"", "the empty body is signed like any other; the library takes none", 11),
        ("a body of zero bytes", b"\0" * 8, None, 11),
        ("a form as a body", b"payload=%7B%22a%22%3A1%7D&x=+", None, 1),
    ]:
        facts = {} if body.strip() == s.body else unnamed
        s.genuine(name, s.request(body=body), rule=rule, trap=trap, **facts)


def headers(s):
    """The signature's header missing, twice, in other places."""
    good = s.signed(s.body, s.secret, s.stamp)
    bad = s.signed(s.body, s.other(), s.stamp)
    s.refused("no signature", s.request(value=None))
    s.refused("an empty signature", s.request(value=""))
    s.refused("a blank for a signature", s.request(value=" "))
    s.refused("the signature in another header", s.request(value=None, more=[("X-Other-Signature", good)]))
    s.refused("the signature's header twice, alike", s.request(more=[(s.header, good)]), trap=8)
    s.refused("the signature's header twice, the good one first", s.request(more=[(s.header, bad)]), trap=8)
    s.refused("the signature's header twice, the good one last", s.request(value=bad, more=[(s.header, good)]), trap=8)
    s.refused("the signature's header twice, in two cases", s.request(more=[(s.header.lower(), good)]), trap=8)
    s.refused("a signature with a byte that is not ASCII after it", s.request(value=good + "\xff"), trap=8)
    s.refused("a signature of bytes that are not ASCII", s.request(value="\x80\xff\xc3\xa9"), trap=8)
    s.refused("a signature with UTF-8 in it", s.request(value=good[:-2] + "\xc3\xa9"), trap=8)


def digests(s):
    """The signature itself, written wrongly."""
    digest = s.digest(s.body, s.secret, s.stamp)
    text = s.encode(digest)

    def refuse(name, text, rule=None, trap=None):
        s.refused(name, s.request(text=text), rule, trap=trap)

    refuse("a signature without digits", "")
    refuse("a bit of the signature's first byte flipped", s.encode(flip(digest, 0)))
    refuse("a bit of the signature's last byte flipped", s.encode(flip(digest, -1)))
    refuse("a signature of zero bytes", s.encode(bytes(len(digest))))
    refuse("half a signature", s.encode(digest[: len(digest) // 2]))
    refuse("a signature without its last byte", s.encode(digest[:-1]))
    refuse("a signature with a byte more", s.encode(digest + b"\0"))
    refuse("a signature written twice", text + text, ONE_WAY)
    refuse("a blank in the signature", text[:10] + " " + text[10:], ONE_WAY, trap=9)
    refuse("a blank before the signature's digits", " " + text, ONE_WAY)
    refuse("a semicolon after the signature", text + ";", ONE_WAY, trap=9)
    refuse("the signature in quotes", f'"{text}"', ONE_WAY)
    if s.encoding == "hex":
        refuse("hex of odd length", text[:-1], trap=9)
        refuse("a hex digit more", text + "0", trap=9)
        refuse("a letter that is no hex digit", text[:-1] + "g", trap=9)
        refuse("0x before the hex", "0x" + text)
        refuse("colons in the hex", ":".join(text[i : i + 2] for i in range(0, len(text), 2)))
        refuse("base64 in place of hex", base64.b64encode(digest).decode())
        decided = {"expect": "genuine", "rule": s.either_case} if s.either_case else {}
        s.judged("hex in upper case", s.request(text=text.upper()), trap=9, **decided)
        s.judged("hex in both cases", s.request(text=text[:20].upper() + text[20:]), trap=9, **decided)
        return
    padded = text.endswith("=")
    assert padded or s.name == "sns", f"{s.name}: this base64 has no padding"
    refuse("hex in place of base64", digest.hex())
    refuse("base64 in upper case", text.upper())
    refuse("junk after the base64", text + "AAAA", ONE_WAY, trap=9)
    refuse("a mark in the base64", text[:4] + "*" + text[4:], ONE_WAY, trap=9)
    if padded:
        bare = text.rstrip("=")
        refuse("base64 without padding", bare)
        refuse("base64 with padding twice", text + text[len(bare) :], ONE_WAY, trap=9)
        refuse("junk after the padding", text + "x", ONE_WAY, trap=9)
        refuse("more base64 after the padding", text + "QUJD", ONE_WAY, trap=9)
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        stray = bare[:-1] + alphabet[alphabet.index(bare[-1]) ^ 1] + text[len(bare) :]
        refuse("a stray bit before the padding", stray, ONE_WAY, trap=9)
    else:
        refuse("padding that is not needed", text + "=", ONE_WAY, trap=9)


def url_safe(s):
    """Base64 in the other alphabet, of a body whose signature shows the difference."""
    for n in range(64):
        body = s.body + b" " * n
        text = s.encode(s.digest(body, s.secret, s.stamp))
        if "+" in text or "/" in text:
            s.genuine("base64 with + or /", s.request(body=body))
            s.refused("base64 in the alphabet for addresses", s.request(body=body, text=text.translate(str.maketrans("+/", "-_"))))
            return
    raise AssertionError(s.name)


def prefixes(s):
    """What stands before the digest, and digests of other algorithms."""
    text = s.encode(s.digest(s.body, s.secret, s.stamp))
    good = s.value(text, s.stamp)
    assert s.prefix and s.prefix in good
    for name, prefix in {
        "no prefix": "",
        "the prefix in the other case": s.prefix.swapcase(),
        "another version": f"v9{s.prefix[-1]}",
        "the prefix twice": s.prefix * 2,
        "a blank before the prefix's end": s.prefix[:-1] + " " + s.prefix[-1],
        "sha1 named, sha256 sent": "sha1=" if s.prefix != "sha1=" else "sha256=",
        "md5 named": "md5=",
        "none named": "none=",
    }.items():
        s.refused(name, s.request(value=good.replace(s.prefix, prefix, 1)), trap=3 if "named" in name else None)


def algorithms(s):
    """Digests of other hashes under the same key."""
    for hash in ("sha1", "sha256", "sha512", "sha384", "md5"):
        if hash != s.hash:
            text = s.encode(s.digest(s.body, s.secret, s.stamp, hash))
            rule = "the algorithm is the scheme's, not the sender's choice (trap 3)"
            s.refused(f"a digest by {hash}", s.request(text=text), rule, trap=3)
            if s.prefix.startswith("sha"):
                s.refused(f"a digest by {hash}, named so", s.request(value=f"{hash}={text}"), rule, trap=3)


def secrets(s):
    """Secrets of all kinds, several of them, and wrong ones."""
    odd = {
        "blanks in the secret": "a secret with  blanks",
        "blanks around the secret": "  padded\t",
        "a line feed after the secret": "copied from a file\n",
        "a secret in Unicode": "pässwörd \u2603 \U0001f511",
        "a secret of one character": "x",
        "a secret of 64 bytes": "s" * 64,
        "a secret of 65 bytes": "s" * 65,
        "a secret of 300 bytes": "0123456789" * 30,
        "a secret that looks like a reference": "${A}",
    }
    for name, secret in odd.items():
        s.genuine(name, s.request(secret=s.dress(secret)), [s.dress(secret)], trap=4)
    for name, secret in odd.items():
        if secret.strip() != secret:
            s.refused(f"{name}, signed with it trimmed", s.request(secret=s.dress(secret.strip())), secrets=[s.dress(secret)], trap=4)
    long = "0123456789" * 30
    s.refused("a long secret cut to 64 bytes", s.request(secret=s.dress(long[:64])), secrets=[s.dress(long)], trap=4)
    s.refused("signed with another secret", s.request(secret=s.other()))
    s.refused("signed with the secret in another case", s.request(secret=s.dress("UPPER")), secrets=[s.dress("upper")])
    s.refused("signed with an empty secret", s.request(secret=s.dress("")), trap=4)
    s.refused("an empty secret, set and signed with", s.request(secret=s.dress("")), KEYLESS, secrets=[s.dress("")], trap=4)
    if s.dress("") != "":
        s.refused("no secret at all, set and signed with", s.request(secret=s.dress("")), KEYLESS, secrets=[""], trap=4)
    two = [s.secret, s.other()]
    s.genuine("two secrets, signed with the first", s.request(), two, trap=5)
    s.genuine("two secrets, signed with the second", s.request(secret=s.other()), two, trap=5)
    s.refused("two secrets, signed with a third", s.request(secret=s.dress("third")), secrets=two, trap=5)
    ends(s)


def ends(s):
    """Secrets that come to an end."""
    day = 86_400
    ended = "a secret matches nothing after its end; the oracle knows of none"
    for name, secret, when, expect in [
        ("the old secret before its end", s.secret, AT - day, "genuine"),
        ("the old secret a second before its end", s.secret, AT - 1, "genuine"),
        ("the old secret after its end", s.secret, AT + 1, "refused"),
        ("the old secret a day after its end", s.secret, AT + day, "refused"),
        ("the new secret before the old one's end", s.other(), AT - day, "genuine"),
        ("the new secret after the old one's end", s.other(), AT + day, "genuine"),
    ]:
        stamp = str(when * s.unit) if s.stamp else None
        request = s.request(secret=secret, stamp=stamp)
        until = [{"secret": "${A}", "until": "2026-11-18T11:06:40Z"}, "${B}"]
        facts = {**s.facts(), "rule": ended, "trap": 5, "expect": expect}
        auth = {"scheme": s.name, "secrets": until, **s.extra()}
        s.vectors.add(name + s.suffix, request, auth, [s.secret, s.other()], when, **facts)


def lists(s):
    """Several signatures in a header."""
    good, bad = (s.prefix + s.encode(s.digest(s.body, secret, s.stamp)) for secret in (s.secret, s.other()))
    skipped = "an item of another version or of none is skipped, and any match wins (trap 5); the library gives up at it"

    def listed(*items):
        return s.listed(s.separator.join(items), s.stamp)

    for name, items, expect, rule in [
        ("the good signature last of two", (bad, good), "genuine", None),
        ("the good signature first of two", (good, bad), "genuine", None),
        ("the good signature last of ten", (*[bad] * 9, good), "genuine", None),
        ("the good signature twice", (good, good), "genuine", None),
        ("two bad signatures", (bad, bad), "refused", None),
        ("an unknown version before the good signature", (good.replace(s.prefix, s.unknown, 1), good), "genuine", skipped),
        ("an unknown version after the good signature", (good, good.replace(s.prefix, s.unknown, 1)), "genuine", None),
        ("the good signature as an unknown version", (good.replace(s.prefix, s.unknown, 1),), "refused", None),
        ("a cut signature before the good one", (bad[:20], good), "genuine", skipped),
        ("an empty item before the good signature", ("", good), "genuine", skipped),
        ("an item that is nothing known before the good signature", ("nonsense", good), "genuine", skipped),
    ]:
        judge = s.genuine if expect == "genuine" else s.refused
        judge(name, s.request(value=listed(*items)), rule=rule, trap=5)
    other = ";" if s.separator == "," else ","
    s.refused("signatures parted by something else", s.request(value=s.listed(bad + other + good, s.stamp)), trap=5)
    s.refused("signatures of two secrets, neither of which is set", s.request(value=listed(good, bad)), secrets=[s.dress("third")], trap=5)


def lonely(s):
    """Several signatures where a scheme has one."""
    good = s.signed(s.body, s.secret, s.stamp)
    for name, mark in (("a comma", ","), ("a comma and a blank", ", "), ("a blank", " "), ("a semicolon", ";")):
        s.refused(f"the signature twice with {name}", s.request(value=good + mark + good), ONE_WAY)


def names(s, header, other="d-other"):
    """The delivery id's header, which is not signed."""
    base = s.request()
    base.headers = [pair for pair in base.headers if pair[0].lower() != header.lower()]

    def named(*ids):
        request = s.request()
        request.headers = [*base.headers, *((header, id) for id in ids)]
        return request

    s.genuine("another delivery id over the same signature", named(other), delivery_id=other)
    s.genuine("no delivery id", named(), delivery_id="")
    s.genuine("a delivery id of 256 characters", named("i" * 256), delivery_id="i" * 256)
    rule = "a delivery id is 1 to 256 visible ASCII characters, there once"
    for name, ids in {
        "an empty delivery id": [""],
        "a delivery id of 257 characters": ["i" * 257],
        "a delivery id with a blank in it": ["a b"],
        "a delivery id that is not ASCII": ["\xc3\xa9"],
        "two delivery ids": ["d-1", "d-2"],
    }.items():
        s.refused(name, named(*ids), rule, trap=8 if len(ids) > 1 or name.endswith("ASCII") else None)
    forged = s.request(secret=s.other())
    s.refused("a forged delivery under a real one's id", forged, trap=6)


def stamps(s, after=None):
    """Timestamps at the edges of what is allowed, and beyond."""
    past = s.tolerance
    ahead = past if after is None else after
    for name, seconds, inside in [
        ("of now", 0, True),
        ("a second before too old", -past + 1, True),
        ("as old as is allowed", -past, True),
        ("a second too old", -past - 1, False),
        ("a day old", -86_400, False),
        ("a second before too far ahead", ahead - 1, True),
        ("as far ahead as is allowed", ahead, True),
        ("a second too far ahead", ahead + 1, False),
        ("a day ahead", 86_400, False),
        ("of 1970", -AT, False),
    ]:
        request = s.request(stamp=str((AT + seconds) * s.unit))
        if inside:
            s.genuine(f"a timestamp {name}", request, rule=s.edge)
        else:
            s.refused(f"a timestamp {name}", request, NEAR)
    s.genuine("a delivery repeated later, signed anew", s.request(stamp=str((AT + 3600) * s.unit)), at=AT + 3600, trap=7)
    s.refused("a delivery repeated later, as it was", s.request(), NEAR, at=AT + 3600, trap=7)


def odd_stamps(s):
    """Timestamps that are signed, and written in ways that no provider writes them."""
    now = s.stamp
    for name, stamp in {
        "with a plus sign": "+" + now,
        "with a minus sign": "-" + now,
        "with a blank in it": now[:4] + " " + now[4:],
        "with a fraction of nothing": now + ".0",
        "with a fraction": now + ".5",
        "with an exponent": now[0] + "." + now[1:] + f"e{len(now) - 1}",
        "in hexadecimal": hex(int(now)),
        "with a low line": now[:4] + "_" + now[4:],
        "that is a word": "now",
        "that is a date": "2026-11-18T11:06:40Z",
        "in another unit": str(AT * 1000 if s.unit == 1 else AT),
        "of 2^63": str(2**63),
        "of 2^64 and now": str(2**64 + int(now)),
        "of 400 digits": "1" * 400,
    }.items():
        s.refused(f"a timestamp {name}", s.request(stamp=stamp), DIGITS)


def stamp_headers(s, header):
    """The header of a timestamp missing, twice, changed."""

    def stamped(*stamps):
        request = s.request()
        kept = [pair for pair in request.headers if pair[0].lower() != header.lower()]
        request.headers = [*kept, *((header, stamp) for stamp in stamps)]
        return request

    later = str(int(s.stamp) + s.unit)
    s.refused("no timestamp", stamped())
    s.refused("an empty timestamp", stamped(""))
    s.refused("the timestamp changed", stamped(later))
    s.refused("the timestamp twice, alike", stamped(s.stamp, s.stamp), trap=8)
    s.refused("the timestamp twice, the signed one first", stamped(s.stamp, later), trap=8)
    s.refused("a timestamp that is not ASCII", stamped("\xd9\xa1\xd9\xa7"), trap=8)
