"""Keys of those who may use a server: how they are kept, found, and asked for."""

import re

import pytest

from fti_assets.api_keys import ApiKeyError, ApiKeys, check_binding, key_line, new_key
from fti_assets.errors import DefinitionError, FtiError

KEYS = ApiKeys.from_environment({"FTI_API_KEYS": f"{key_line('sensors', 'one')} {key_line('desk', 'two')}"})


@pytest.mark.parametrize(
    ("headers", "owner"),
    [
        pytest.param(("Bearer one", None), "sensors", id="bearer"),
        pytest.param(("bearer  two ", None), "desk", id="scheme_in_any_case"),
        pytest.param((None, "two"), "desk", id="x_api_key"),
        pytest.param(("Basic one", "two"), "desk", id="another_scheme_beside_it"),
        pytest.param(("Bearer three", "one"), None, id="a_wrong_bearer_is_not_made_up_for"),
        pytest.param((None, key_line("desk", "two").partition(":")[2]), None, id="the_hash_is_no_key"),
        pytest.param((None, None), None, id="none"),
        pytest.param(("Bearer ", ""), None, id="empty"),
        pytest.param(("Bearer ü", None), None, id="not_ascii"),
    ],
)
def test_who_a_key_belongs_to(headers, owner):
    assert KEYS.owner(*headers) == owner
    assert KEYS.check(*headers) == (owner is not None)


def test_keys_of_a_file_and_of_the_environment_count(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"# who may send\n\n{key_line('sensors', 'one')}  # since May\n")
    keys = ApiKeys.from_environment({"FTI_API_KEYS_FILE": str(file), "FTI_API_KEYS": key_line("desk", "two")})
    assert [keys.owner(None, key) for key in ("one", "two")] == ["sensors", "desk"]
    assert ApiKeys.from_environment({}) is None


def test_a_new_key_is_the_one_whose_line_is_kept():
    key, line = new_key("sensors")
    assert len(key) >= 40
    assert key not in line
    assert ApiKeys.from_environment({"FTI_API_KEYS": line}).owner(None, key) == "sensors"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        pytest.param("my-secret-key", "Line 1 of the API keys in FTI_API_KEYS is not NAME:SHA256.", id="a_key_itself"),
        pytest.param(f"x:{'A' * 64}", "Line 1 of the API keys in FTI_API_KEYS is not NAME:SHA256.", id="upper_case"),
        pytest.param(f"a:{'0' * 64} a:{'1' * 64}", "The API keys in FTI_API_KEYS have 'a' twice.", id="twice"),
    ],
)
def test_what_is_not_written_as_keys_is_refused_and_not_repeated(said, message):
    with pytest.raises(FtiError, match=re.escape(message)) as raised:
        ApiKeys.from_environment({"FTI_API_KEYS": said})
    assert "secret" not in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ApiKeyError, match=r"keys', which FTI_API_KEYS_FILE names, cannot be read: No such file"):
        ApiKeys.from_environment({"FTI_API_KEYS_FILE": str(tmp_path / "keys")})


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "192.168.1.7", "example.com"])
def test_others_are_asked_for_a_key(host):
    with pytest.raises(ApiKeyError, match="there are no API keys"):
        check_binding(host, None)
    check_binding(host, KEYS)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_alone_is_not(host):
    check_binding(host, None)


def test_the_owner_of_a_key_has_a_name():
    with pytest.raises(DefinitionError, match="cannot be named"):
        new_key("Some One")
