"""Seals open where they belong, under the keys they were made with, and nowhere else."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.crypto import BlindIndex, KeyRing, KeyRingInvalid, MalformedSeal, SealBroken, Sealer, SealError, UnknownKeyVersion
from libs.crypto.sealing import SIZE_MIN

ONE = "1:" + base64.b64encode(bytes(range(32))).decode()
TWO = "2:" + base64.b64encode(bytes(range(32, 64))).decode()
OLD, BOTH, NEW = (Sealer(KeyRing.parse(text)) for text in (ONE, f"{ONE},{TWO}", TWO))
AAD = "intake.reporter|name|0190-row"


@given(st.binary(max_size=2000), st.text())
def test_what_was_sealed_opens_at_its_own_place(plaintext, aad):
    sealed = OLD.seal(plaintext, aad)
    assert OLD.open(sealed, aad) == plaintext
    assert len(sealed) == len(plaintext) + SIZE_MIN


@given(st.binary(min_size=6, max_size=200))
def test_a_seal_shows_nothing_and_never_repeats(plaintext):
    first, second = OLD.seal(plaintext, AAD), OLD.seal(plaintext, AAD)
    assert first != second
    assert plaintext not in first


@given(st.text(), st.text())
def test_a_seal_does_not_open_in_another_row(here, there):
    sealed = OLD.seal(b"x", here)
    if here != there:
        with pytest.raises(SealBroken):
            OLD.open(sealed, there)


@settings(max_examples=300)
@given(st.data())
def test_any_flipped_bit_is_noticed(data):
    sealed = bytearray(BOTH.seal(b"a narrative", AAD))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << (bit % 8)
    with pytest.raises(SealError):
        BOTH.open(bytes(sealed), AAD)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_and_never_crash(garbage):
    with pytest.raises(SealError):
        BOTH.open(garbage, AAD)


def test_truncated_and_foreign_bytes_are_malformed():
    sealed = OLD.seal(b"", AAD)
    for wrong in (b"", sealed[:-1], b"\x02" + sealed[1:]):
        with pytest.raises(MalformedSeal):
            OLD.open(wrong, AAD)


def test_another_key_of_the_same_version_does_not_open():
    other = Sealer(KeyRing.parse(KeyRing.generate(1)))
    with pytest.raises(SealBroken):
        other.open(OLD.seal(b"x", AAD), AAD)


def test_a_rotation_adds_a_key_rewraps_and_drops_the_old_key():
    sealed = OLD.seal(b"Xiao Ming", AAD)
    assert BOTH.open(sealed, AAD) == b"Xiao Ming"
    with pytest.raises(UnknownKeyVersion) as missing:
        NEW.open(sealed, AAD)
    assert missing.value.version == 1

    rewrapped = BOTH.rewrap(sealed, AAD)
    assert (Sealer.version_of(sealed), Sealer.version_of(rewrapped)) == (1, 2)
    assert NEW.open(rewrapped, AAD) == b"Xiao Ming"
    assert BOTH.rewrap(rewrapped, AAD) == rewrapped
    with pytest.raises(SealBroken):
        BOTH.rewrap(sealed, AAD + "x")


def test_new_values_are_sealed_under_the_newest_key():
    assert Sealer.version_of(BOTH.seal(b"x", AAD)) == 2
    assert KeyRing.parse(f"{TWO},{ONE}").newest == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no master key"),
        (" , ", "no master key"),
        ("abc", "entry 1 is not of the form"),
        (f"{ONE},x:AAAA", "entry 2 is not of the form"),
        ("1:not base64!", "master key 1 is not base64"),
        ("1:QUJD", "master key 1 has 3 bytes"),
        (f"{ONE},{ONE}", "version 1 is given twice"),
        (f"{ONE},3:{ONE[2:]}", "the same key"),
        (f"0:{ONE[2:]}", "version 0 is not between"),
        (f"70000:{ONE[2:]}", "version 70000 is not between"),
    ],
)
def test_wrong_master_keys_are_named_without_being_shown(text, says):
    with pytest.raises(KeyRingInvalid, match=says) as refusal:
        KeyRing.parse(text)
    assert ONE[2:] not in str(refusal.value)


def test_keys_are_given_in_either_alphabet_of_base64():
    key = bytes([0xFB, 0xFF] * 16)
    standard, urlsafe = base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()
    assert KeyRing.parse(f"1:{standard}").derive("x") == KeyRing.parse(f"1:{urlsafe}").derive("x")


def test_a_key_ring_does_not_print_its_keys():
    assert repr(KeyRing.parse(f"{ONE},{TWO}")) == "<KeyRing versions=(2, 1)>"


def test_derived_keys_differ_by_purpose_and_by_master_key():
    ring = KeyRing.parse(f"{ONE},{TWO}")
    keys = {ring.derive("api-key"), ring.derive("receipt"), ring.derive("api-key", 1)}
    assert len(keys) == 3
    assert {len(key) for key in keys} == {32}
    assert ring.derive_all("api-key") == (ring.derive("api-key"), ring.derive("api-key", 1))
    with pytest.raises(UnknownKeyVersion):
        ring.derive("api-key", 9)


def test_a_blind_index_finds_equal_values_also_during_a_rotation():
    before, during = BlindIndex(KeyRing.parse(ONE), "phone"), BlindIndex(KeyRing.parse(f"{ONE},{TWO}"), "phone")
    assert before.of("+860010000001") == before.of("+860010000001")
    assert len(before.of("")) == 16
    assert before.of("+860010000001") != before.of("+860010000002")
    assert before.of("a") != BlindIndex(KeyRing.parse(ONE), "id-number").of("a")
    assert during.candidates("a") == [during.of("a"), before.of("a")]
