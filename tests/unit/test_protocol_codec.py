"""Messages survive both wire forms; whatever else is fed to a decoder becomes BadRequest and nothing else."""

import math
import struct
import sys
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol import messages as m
from protocol.codec import (
    JSON_SUBPROTOCOL,
    MSGPACK_SUBPROTOCOL,
    WireForm,
    decode_client,
    decode_server,
    encode,
    form_of,
    frame,
    frame_message,
    request_id,
)
from protocol.errors import BadRequest
from protocol.fields import TOKEN_MAX_CHARS
from protocol.items import ReadingInput, TriggerInput

JSON, MSGPACK = WireForm.JSON, WireForm.MSGPACK
CLIENT = get_args(m.ClientMessage)
SERVER = get_args(m.ServerMessage)
FORMS = pytest.mark.parametrize("form", WireForm, ids=lambda form: form.name.lower())
I64 = 2**63 - 1
A_READING = {"framework_id": "a", "metric": "m", "value": 1}
TEXT_ALPHABET = st.characters(exclude_categories=["Cs"])


def values_of(info: Any) -> st.SearchStrategy[Any]:
    """Every value that a declared type allows (finite numbers: JSON has no others), from msgspec's own description."""
    match info:
        case msgspec.inspect.StrType():
            longest = min(info.max_length or 20, 20)
            return st.text(TEXT_ALPHABET, min_size=info.min_length or 0, max_size=longest)
        case msgspec.inspect.IntType():
            low = -I64 if info.ge is None else info.ge
            return st.integers(low, I64 if info.le is None else info.le)
        case msgspec.inspect.FloatType():
            return st.floats(allow_nan=False, allow_infinity=False)
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.EnumType():
            return st.sampled_from(info.cls)
        case msgspec.inspect.ListType():
            return st.lists(values_of(info.item_type), min_size=info.min_length or 0, max_size=3)
        case msgspec.inspect.VarTupleType():
            return st.lists(values_of(info.item_type), min_size=info.min_length or 0, max_size=3).map(tuple)
        case msgspec.inspect.DictType():
            return st.dictionaries(values_of(info.key_type), values_of(info.value_type), max_size=3)
        case msgspec.inspect.UnionType():
            return st.one_of([values_of(each) for each in info.types])
        case msgspec.inspect.StructType():
            required = {field.name: values_of(field.type) for field in info.fields if field.required}
            optional = {field.name: values_of(field.type) for field in info.fields if not field.required}
            return st.fixed_dictionaries(required, optional=optional).map(lambda given: info.cls(**given))
    raise TypeError(f"no strategy for {info}")


def messages(kinds: tuple[type, ...]) -> st.SearchStrategy[Any]:
    return st.one_of([values_of(msgspec.inspect.type_info(kind)) for kind in kinds])


CLIENT_MESSAGES, SERVER_MESSAGES = messages(CLIENT), messages(SERVER)


def mp(value: object) -> bytes:
    return msgspec.msgpack.encode(value)


def only_bad_request(data: bytes | str, form: WireForm) -> None:
    for decode, kinds in ((decode_client, CLIENT), (decode_server, SERVER)):
        try:
            assert isinstance(decode(data, form), kinds)
        except BadRequest as refusal:
            assert str(refusal).startswith("invalid message: ")
            assert len(str(refusal)) < 400
    assert isinstance(request_id(data, form), int | str | None)


# Round trips


@FORMS
@given(message=CLIENT_MESSAGES)
def test_a_client_message_survives_the_wire(form, message):
    assert decode_client(encode(message, form), form) == message


@FORMS
@given(message=SERVER_MESSAGES)
def test_a_server_message_survives_the_wire(form, message):
    assert decode_server(encode(message, form), form) == message


@given(message=SERVER_MESSAGES)
def test_both_forms_say_the_same_under_the_same_names(message):
    assert msgspec.json.decode(encode(message, JSON)) == msgspec.msgpack.decode(encode(message, MSGPACK))


@FORMS
@given(message=CLIENT_MESSAGES)
def test_the_id_of_a_message_is_found_without_reading_the_rest(form, message):
    assert request_id(encode(message, form), form) == message.id


@FORMS
@given(message=CLIENT_MESSAGES, name=st.text(TEXT_ALPHABET, min_size=1).map("x-".__add__), value=st.integers())
def test_a_field_of_a_later_version_is_ignored(form, message, name, value):
    fields = msgspec.to_builtins(message) | {name: value % I64}
    data = msgspec.json.encode(fields) if form is JSON else mp(fields)
    assert decode_client(data, form) == message


@given(text=CLIENT_MESSAGES.map(lambda message: encode(message, JSON).decode()))
def test_a_text_frame_may_come_as_str(text):
    assert decode_client(text, JSON) == decode_client(text.encode(), JSON)


# Rubbish


@FORMS
@given(data=st.binary(max_size=200))
def test_random_bytes_are_a_bad_request(form, data):
    only_bad_request(data, form)


@given(text=st.text(st.characters(), max_size=100))
@example("\ud800")
@example('{"type":"auth","token":"\udfff"}')
def test_random_text_also_with_lone_surrogates_is_a_bad_request(text):
    only_bad_request(text, JSON)


@FORMS
@given(message=CLIENT_MESSAGES | SERVER_MESSAGES, data=st.data())
def test_a_valid_message_with_broken_bytes_is_a_message_or_a_bad_request(form, message, data):
    broken = bytearray(encode(message, form))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(broken)))
        broken[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    only_bad_request(bytes(broken), form)


@FORMS
@given(message=CLIENT_MESSAGES | SERVER_MESSAGES, data=st.data())
def test_a_message_that_breaks_off_is_a_bad_request(form, message, data):
    whole = encode(message, form)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(BadRequest):
        decode_client(cut, form)
    assert request_id(cut, form) is None


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(TEXT_ALPHABET, max_size=5)
    | st.binary(max_size=5)
    | st.builds(msgspec.msgpack.Ext, st.integers(-128, 127), st.binary(max_size=9)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(TEXT_ALPHABET, max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(message=CLIENT_MESSAGES | SERVER_MESSAGES, data=st.data())
def test_any_value_in_any_field_is_a_message_or_a_bad_request(message, data):
    fields = msgspec.to_builtins(message)
    fields[data.draw(st.sampled_from(sorted(fields)))] = data.draw(ANYTHING)
    only_bad_request(mp(fields), MSGPACK)


def ping_with(value: bytes) -> bytes:
    return b"\x82\xa4type\xa4ping\xa1x" + value


def trigger_with(field: bytes, value: bytes) -> bytes:
    return b"\x82\xa4type\xa7trigger\xa5alert\x82\xacframework_id\xa1a" + field + value


BAD_MSGPACK = {
    "empty": b"",
    "no map": mp([1]),
    "no type": mp({}),
    "a type that is a number": mp({"type": 4}),
    "unknown type": mp({"type": "explode"}),
    "a server's message": mp({"type": "pong"}),
    "trailing bytes": mp({"type": "ping"}) + b"\x01",
    "truncated": mp({"type": "ping"})[:-1],
    "reserved opcode": ping_with(b"\xc1"),
    "nested too deep": ping_with(b"\x91" * 60_000),
    "maps nested too deep": ping_with(b"\x81\xa1x" * 20_000),
    "huge map": b"\xdf\xff\xff\xff\xff",
    "huge array": b"\x82\xa4type\xa7reading\xa8readings\xdd\xff\xff\xff\xff",
    "huge array in an unknown field": ping_with(b"\xdd\x7f\xff\xff\xff"),
    "huge text": b"\x82\xa4type\xa4auth\xa5token\xdb\xff\xff\xff\xff",
    "huge binary": ping_with(b"\xc6\xff\xff\xff\xff"),
    "huge extension": ping_with(b"\xc9\xff\xff\xff\xff\x01"),
    "huge labels": trigger_with(b"\xa6labels", b"\xdf\x7f\xff\xff\xff"),
    "extension as id": mp({"type": "ping", "id": msgspec.msgpack.Ext(5, b"abc")}),
    "timestamp as id": b"\x82\xa4type\xa4ping\xa2id\xd6\xff\x00\x00\x00\x00",
    "NaN as a name": b"\x82\xa4type\xa4ping" + mp(math.nan) + b"\x01",
    "number as a name": b"\x82\xa4type\xa4ping\x01\x01",
    "NaN as a label": trigger_with(b"\xa6labels", b"\x81" + mp(math.nan) + b"\xa1a"),
    "NaN as a value": trigger_with(b"\xadcurrent_value", mp(math.nan)),
    "infinity as a value": trigger_with(b"\xadcurrent_value", mp(math.inf)),
    "minus infinity as a value": trigger_with(b"\xadcurrent_value", mp(-math.inf)),
    "bytes that are not UTF-8": b"\x82\xa4type\xa4auth\xa5token\xa2\xff\xfe",
    "a lone surrogate": b"\x82\xa4type\xa4auth\xa5token\xa3\xed\xa0\x80",
    "a type that is not UTF-8": b"\x82\xa4type\xa2\xff\xfe\xa5token\xa1a",
    "id beyond 64 bits": b"\x82\xa4type\xa4ping\xa2id\xcf" + b"\xff" * 8,
}


@pytest.mark.parametrize("data", BAD_MSGPACK.values(), ids=BAD_MSGPACK)
def test_bad_msgpack_is_a_bad_request(data):
    with pytest.raises(BadRequest):
        decode_client(data, MSGPACK)
    only_bad_request(data, MSGPACK)


def reading_of(value: str) -> bytes:
    return b'{"type":"reading","readings":[{"framework_id":"a","metric":"m","value":%s}]}' % value.encode()


BAD_JSON = {
    "empty": b"",
    "no object": b"[1]",
    "no type": b"{}",
    "a type that is a number": b'{"type":4}',
    "unknown type": b'{"type":"explode"}',
    "a server's message": b'{"type":"pong"}',
    "two types": b'{"type":"ping","type":"auth"}',
    "trailing text": b'{"type":"ping"} x',
    "truncated": b'{"type":"ping"',
    "byte order mark": b'\xef\xbb\xbf{"type":"ping"}',
    "UTF-16": '{"type":"ping"}'.encode("utf-16"),
    "nested too deep": b'{"type":"ping","x":' + b"[" * 60_000,
    "objects nested too deep": b'{"type":"ping","x":' + b'{"x":' * 12_000,
    "NaN": reading_of("NaN"),
    "infinity": reading_of("Infinity"),
    "beyond a double": reading_of("1e400"),
    "an integer beyond a double": reading_of("1" + "0" * 5_000),
    "a value in a text": reading_of('"5"'),
    "id beyond 64 bits": b'{"type":"ping","id":1' + b"0" * 5_000 + b"}",
    "id beyond a double's integers": b'{"type":"ping","id":9007199254740992}',
    "negative id": b'{"type":"ping","id":-1}',
    "id that is a fraction": b'{"type":"ping","id":1.5}',
    "id that is true": b'{"type":"ping","id":true}',
    "long id": b'{"type":"ping","id":"%s"}' % (b"x" * 65),
    "a lone surrogate escaped": rb'{"type":"auth","token":"\udc00"}',
    "half a surrogate pair": rb'{"type":"auth","token":"\ud800x"}',
    "a lone surrogate": b'{"type":"auth","token":"\xed\xa0\x80"}',
    "bytes that are not UTF-8": b'{"type":"auth","token":"\xff\xfe"}',
    "control character in a text": b'{"type":"auth","token":"\x00"}',
    "long token": b'{"type":"auth","token":"%s"}' % (b"x" * (TOKEN_MAX_CHARS + 1)),
    "empty framework": b'{"type":"subscribe","frameworkId":""}',
    "framework of 129 characters": b'{"type":"subscribe","frameworkId":"%s"}' % (b"x" * 129),
    "channel of 301 characters": b'{"type":"subscribe","channel":"%s"}' % (b"x" * 301),
    "negative offset": b'{"type":"subscribe","channel":"a","recover":{"epoch":"e","offset":-1}}',
    "unknown severity of a filter": b'{"type":"subscribe","channel":"a","minSeverity":"loud"}',
    "no alerts": b'{"type":"trigger","alerts":[]}',
    "1,001 alerts": msgspec.json.encode({"type": "trigger", "alerts": [{"framework_id": "a"}] * 1_001}),
    "65 labels": msgspec.json.encode(
        {"type": "trigger", "alert": {"framework_id": "a", "labels": {str(n): "" for n in range(65)}}}
    ),
    "long label": msgspec.json.encode(
        {"type": "trigger", "alert": {"framework_id": "a", "labels": {"a": "x" * 1_025}}}
    ),
    "label that is an object": b'{"type":"trigger","alert":{"framework_id":"a","labels":{"a":{}}}}',
    "long title": msgspec.json.encode({"type": "trigger", "alert": {"framework_id": "a", "title": "x" * 513}}),
    "long message": msgspec.json.encode({"type": "trigger", "alert": {"framework_id": "a", "message": "x" * 8_193}}),
}


@pytest.mark.parametrize("data", BAD_JSON.values(), ids=BAD_JSON)
def test_bad_json_is_a_bad_request(data):
    with pytest.raises(BadRequest):
        decode_client(data, JSON)
    only_bad_request(data, JSON)


def test_a_bad_request_says_where_and_what_is_allowed():
    with pytest.raises(BadRequest, match=r"Expected `str`, got `int` - at `\$.alert.framework_id`"):
        decode_client(b'{"type":"trigger","alert":{"framework_id":4}}', JSON)
    with pytest.raises(BadRequest, match="nested too deep"):
        decode_client(BAD_JSON["nested too deep"], JSON)
    with pytest.raises(BadRequest, match="not valid UTF-8"):
        decode_client(BAD_MSGPACK["a lone surrogate"], MSGPACK)


def test_an_unreadable_message_is_answered_under_its_id():
    assert request_id(b'{"type":"explode","id":7}', JSON) == 7
    assert request_id(mp({"id": "a", "type": "trigger", "alert": 4}), MSGPACK) == "a"


def test_a_huge_declared_length_takes_no_memory_and_no_long_decoding():
    # A list of this length would be 17 GB; the server's own messages have no limit that a client could check.
    with pytest.raises(BadRequest, match="truncated"):
        decode_server(b"\x82\xa4type\xa8accepted\xa7results\xdd\x7f\xff\xff\xff", MSGPACK)


@FORMS
def test_the_largest_double_is_a_value(form):
    reading = m.Reading(readings=[ReadingInput(framework_id="a", metric="m", value=-sys.float_info.max)])
    assert decode_client(encode(reading, form), form) == reading


# Forms and frames


def test_the_subprotocol_chooses_the_form_and_none_means_json():
    assert form_of(None) is form_of("") is form_of(JSON_SUBPROTOCOL) is JSON
    assert form_of(MSGPACK_SUBPROTOCOL) is MSGPACK
    assert [form.subprotocol for form in WireForm] == [JSON_SUBPROTOCOL, MSGPACK_SUBPROTOCOL]


def unframed(data: bytes) -> tuple[int, bytes]:
    """RFC 6455, section 5.2, read independently: (first byte, payload) of one unmasked frame."""
    size, start = data[1], 2
    if size == 126:
        (size,), start = struct.unpack_from("!H", data, 2), 4
        assert size > 125, "the shortest form of a length must be used"
    elif size == 127:
        (size,), start = struct.unpack_from("!Q", data, 2), 10
        assert size > 65_535, "the shortest form of a length must be used"
    assert len(data) == start + size
    return data[0], data[start:]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
@FORMS
def test_a_frame_is_final_unmasked_and_has_the_shortest_length(form, size):
    payload = b"x" * size
    first = {JSON: 0x81, MSGPACK: 0x82}[form]
    assert unframed(frame(payload, form)) == (first, payload)


@FORMS
@given(message=SERVER_MESSAGES)
def test_a_framed_message_holds_its_encoding(form, message):
    assert unframed(frame_message(message, form))[1] == encode(message, form)


# What every message must keep to


@pytest.mark.parametrize("kind", CLIENT + SERVER, ids=lambda kind: kind.__name__)
def test_a_message_type_is_documented_frozen_and_spelled_in_camel_case(kind):
    info = msgspec.inspect.type_info(kind)
    assert kind.__doc__
    assert kind.__struct_config__.frozen
    assert info.tag_field == "type"
    assert all(field.encode_name == camel(field.name) for field in info.fields)


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def test_every_tag_is_used_once():
    tags = [kind.__struct_config__.tag for kind in CLIENT + SERVER]
    assert len(tags) == len(set(tags))


@pytest.mark.parametrize("kind", [m.Alert, TriggerInput, ReadingInput], ids=lambda kind: kind.__name__)
def test_fields_of_alerts_triggers_and_readings_keep_the_snake_case_of_the_reference(kind):
    fields = msgspec.inspect.type_info(kind).fields
    assert all(field.encode_name == field.name for field in fields)


@pytest.mark.parametrize("text", ['{"type":"hack"}', "{}", '{"id":1}'])
def test_a_message_of_no_known_type_is_answered_with_those_there_are(text):
    with pytest.raises(BadRequest) as refused:
        decode_client(text, WireForm.JSON)
    known = [kind.__struct_config__.tag for kind in get_args(m.ClientMessage)]
    assert refused.value.message.endswith(f"; `type` is one of {', '.join(known)}")


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ({"type": "trigger", "alert": {"framework_id": "a", "sevrity": "critical"}}, "`sevrity` - at `$.alert`"),
        ({"type": "trigger", "alerts": [{"framework_id": "a", "x": 1}]}, "`x` - at `$.alerts[0]`"),
        ({"type": "reading", "readings": [A_READING | {"lables": {}}]}, "`lables` - at `$.readings[0]`"),
        ({"type": "reading", "readings": [A_READING | {"x" * 400 + "` - at `$.y": 1}]}, "x" * 200),
    ],
)
@FORMS
def test_a_field_that_no_trigger_and_no_reading_has_is_refused_with_those_there_are(form, message, told):
    kind = TriggerInput if message["type"] == "trigger" else ReadingInput
    data = encode(message, form)
    with pytest.raises(BadRequest) as refused:
        decode_client(data, form)
    assert told in refused.value.message
    assert refused.value.message.endswith(f"; its fields: {', '.join(kind.__struct_fields__)}")


def test_a_field_that_a_message_does_not_have_is_ignored():
    assert decode_client('{"type":"ping","id":1,"new":[]}', WireForm.JSON) == m.Ping(id=1)


def test_another_mistake_is_answered_without_a_list_of_types():
    with pytest.raises(BadRequest) as refused:
        decode_client('{"type":"ping","id":[]}', WireForm.JSON)
    assert "is one of" not in refused.value.message
