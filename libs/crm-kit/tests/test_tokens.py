"""Access tokens: what is let in, and what is not."""

import base64
import hashlib
import hmac
import time

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from crm_kit import errors
from crm_kit.tokens import Claims, Verifier, sign

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
NOW = int(time.time())
GOOD = {"iss": "crm-identity", "aud": "crm", "sub": "u-1", "sid": "s-1", "iat": NOW, "exp": NOW + 600}
HEADER = {"alg": "EdDSA", "typ": "JWT", "kid": "k-1"}


def part(value):
    return base64.urlsafe_b64encode(value if isinstance(value, bytes) else orjson.dumps(value)).rstrip(b"=").decode()


def signed(header, claims, key=KEY):
    text = f"{part(header)}.{part(claims)}"
    return f"{text}.{part(key.sign(text.encode()))}"


def hmac_signed(header, claims, secret):
    text = f"{part(header)}.{part(claims)}"
    return f"{text}.{part(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def without(name):
    return {key: value for key, value in GOOD.items() if key != name}


PUBLIC = KEY.public_key()
PEM = PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
RAW = PUBLIC.public_bytes_raw()
RIGHT = signed(HEADER, GOOD)
FORGED = {
    "nothing": "",
    "a word": "x",
    "dots": "..",
    "no signature": RIGHT.rpartition(".")[0] + ".",
    "cut signature": RIGHT[:-4],
    "signature of another": RIGHT.rpartition(".")[0] + "." + signed(HEADER, {**GOOD, "sub": "u-2"}).rpartition(".")[2],
    "another key": signed(HEADER, GOOD, OTHER),
    "changed claims": RIGHT.replace(RIGHT.split(".")[1], part({**GOOD, "sub": "admin"})),
    "alg none": f"{part({**HEADER, 'alg': 'none'})}.{part(GOOD)}.",
    "alg None": f"{part({**HEADER, 'alg': 'None'})}.{part(GOOD)}.",
    "alg missing": signed({"typ": "JWT", "kid": "k-1"}, GOOD),
    "alg HS256 with the public key": hmac_signed({**HEADER, "alg": "HS256"}, GOOD, PEM),
    "alg HS256 with the raw public key": hmac_signed({**HEADER, "alg": "HS256"}, GOOD, RAW),
    "alg HS256 with nothing": hmac_signed({**HEADER, "alg": "HS256"}, GOOD, b""),
    "alg RS256": jwt.encode(GOOD, rsa.generate_private_key(65537, 2048), "RS256", {"kid": "k-1"}),
    "alg ES256": jwt.encode(GOOD, ec.generate_private_key(ec.SECP256R1()), "ES256", {"kid": "k-1"}),
    "alg eddsa": signed({**HEADER, "alg": "eddsa"}, GOOD),
    "alg a list": signed({**HEADER, "alg": ["EdDSA"]}, GOOD),
    "typ missing": signed({"alg": "EdDSA", "kid": "k-1"}, GOOD),
    "typ refresh": signed({**HEADER, "typ": "refresh"}, GOOD),
    "kid missing": signed({"alg": "EdDSA", "typ": "JWT"}, GOOD),
    "kid unknown": signed({**HEADER, "kid": "k-2"}, GOOD, OTHER),
    "kid a path": signed({**HEADER, "kid": "../../dev/null"}, GOOD),
    "kid an injection": signed({**HEADER, "kid": "k-1' OR '1'='1"}, GOOD),
    "kid with a line": signed({**HEADER, "kid": "k-1\n"}, GOOD),
    "kid empty": signed({**HEADER, "kid": ""}, GOOD),
    "kid long": signed({**HEADER, "kid": "k" * 65}, GOOD),
    "kid a number": signed({**HEADER, "kid": 1}, GOOD),
    "kid a list": signed({**HEADER, "kid": ["k-1"]}, GOOD),
    "jwk in the header": signed(
        {**HEADER, "jwk": {"kty": "OKP", "crv": "Ed25519", "x": part(OTHER.public_key().public_bytes_raw())}},
        GOOD,
        OTHER,
    ),
    "jku in the header": signed({**HEADER, "jku": "http://127.0.0.1/keys"}, GOOD),
    "crit in the header": signed({**HEADER, "crit": ["b64"], "b64": False}, GOOD),
    "audience of another": signed(HEADER, {**GOOD, "aud": "erp"}),
    "audience a list": signed(HEADER, {**GOOD, "aud": ["crm", "erp"]}),
    "audience missing": signed(HEADER, without("aud")),
    "issuer of another": signed(HEADER, {**GOOD, "iss": "crm"}),
    "issuer missing": signed(HEADER, without("iss")),
    "ended": signed(HEADER, {**GOOD, "exp": NOW - 11}),
    "end missing": signed(HEADER, without("exp")),
    "end text": signed(HEADER, {**GOOD, "exp": "tomorrow"}),
    "end a fraction": signed(HEADER, {**GOOD, "exp": NOW + 0.5}),
    "from the future": signed(HEADER, {**GOOD, "iat": NOW + 600}),
    "begin missing": signed(HEADER, without("iat")),
    "not yet": signed(HEADER, {**GOOD, "nbf": NOW + 600}),
    "subject missing": signed(HEADER, without("sub")),
    "subject empty": signed(HEADER, {**GOOD, "sub": ""}),
    "subject a number": signed(HEADER, {**GOOD, "sub": 1}),
    "session missing": signed(HEADER, without("sid")),
    "session a list": signed(HEADER, {**GOOD, "sid": ["s-1"]}),
    "flag a text": signed(HEADER, {**GOOD, "pwd": "no"}),
    "acting a text": signed(HEADER, {**GOOD, "act": "u-2"}),
    "acting nobody": signed(HEADER, {**GOOD, "act": {}}),
    "acting null": signed(HEADER, {**GOOD, "act": None}),
    "acting a number": signed(HEADER, {**GOOD, "act": {"sub": 1}}),
    "claims a list": signed(HEADER, [GOOD]),
    "claims no JSON": signed(HEADER, b"rubbish"),
    "header a list": signed([HEADER], GOOD),
    "huge": signed(HEADER, {**GOOD, "pad": "x" * 5000}),
    "not ascii": RIGHT + "é",
    "two tokens": RIGHT + "." + RIGHT,
    "space before": " " + RIGHT,
}


@pytest.fixture
def verifier():
    return Verifier({"k-1": PUBLIC}.get)


def test_a_signed_token_says_whose_it_is(verifier):
    claims = Claims("u-1", "s-1", True, NOW, NOW + 600, client=True)

    assert verifier.verify(sign(claims, KEY, "k-1")) == claims
    assert verifier.verify(RIGHT) == Claims("u-1", "s-1", False, NOW, NOW + 600, False)


@pytest.mark.figure("R46")
@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_is_refused(verifier, name):
    verifier.verify(RIGHT)  # one that is known does not help another

    with pytest.raises(errors.Unauthenticated) as refusal:
        verifier.verify(FORGED[name])

    assert refusal.value.reason == "BAD_TOKEN"


@pytest.mark.figure("R46")
def test_there_are_enough_forgeries(measured):
    measured(f"{len(FORGED)} forged tokens refused")
    assert len(FORGED) >= 40


def test_a_known_token_ends_too(verifier, monkeypatch):
    verifier.verify(RIGHT)
    monkeypatch.setattr("crm_kit.tokens.time.time", lambda: NOW + 611)

    with pytest.raises(errors.Unauthenticated):
        verifier.verify(RIGHT)


def test_a_known_token_is_not_verified_again_until_told_to_forget():
    asked = []
    verifier = Verifier(lambda kid: asked.append(kid) or PUBLIC)
    for _ in range(3):
        verifier.verify(RIGHT)
    assert asked == ["k-1"]

    verifier.forget()
    verifier.verify(RIGHT)

    assert asked == ["k-1", "k-1"]


def test_what_is_remembered_is_bounded(verifier, monkeypatch):
    monkeypatch.setattr("crm_kit.tokens.CACHED", 10)
    for number in range(50):
        verifier.verify(signed(HEADER, {**GOOD, "sub": f"u-{number}"}))

    assert len(verifier._known) <= 10


def test_who_really_looks_is_told_by_the_token():
    claims = Claims("u-1", "s-1", False, NOW, NOW + 600, acting_id="u-2")

    assert Verifier(lambda _kid: PUBLIC).verify(sign(claims, KEY, "k-1")) == claims
