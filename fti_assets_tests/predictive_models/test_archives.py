import stat
import zipfile
from io import BytesIO

import pytest

from fti_assets.predictive_models import ModelFileError
from fti_assets.predictive_models.archives import check_archive

KINDS = (".json", ".npy")


def archive(*members, compression=zipfile.ZIP_DEFLATED):
    written = BytesIO()
    with zipfile.ZipFile(written, "w", compression) as made:
        for name, content in members:
            made.writestr(name, content)
    return written.getvalue()


def link(name):
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(archive(("../evil.json", "{}")), r"'\.\./evil\.json', which lies outside", id="parent"),
        pytest.param(archive(("a/../../evil.json", "{}")), "lies outside", id="parent_within"),
        pytest.param(archive(("/etc/evil.json", "{}")), "lies outside", id="absolute"),
        pytest.param(archive(("..\\evil.json", "{}")), "lies outside", id="backslash"),
        pytest.param(archive(("C:/evil.json", "{}")), "lies outside", id="drive"),
        pytest.param(archive((link("a.json"), "/etc/passwd")), "'a.json', a link", id="link"),
        pytest.param(archive(("a.pkl", "x")), "'a.pkl', a pickle", id="pickle"),
        pytest.param(archive(("a.PKL", "x")), "'a.PKL', a pickle", id="pickle_in_capitals"),
        pytest.param(archive(("a.so", "x")), r"'a.so'; a model of its kind holds \.json, \.npy only", id="another_kind"),
        pytest.param(archive(("a.npz", "x")), "'a.npz'; a model", id="archive_within"),
        pytest.param(archive(("a.npy", bytes(2**23))), "which unpacks from 8,", id="bomb"),
        pytest.param(b"no archive", "is no archive, or damaged", id="no_archive"),
        pytest.param(archive(("a.json", "{}"))[:-30], "is no archive, or damaged", id="truncated"),
    ],
)
def test_what_is_not_allowed_is_refused(content, message):
    with pytest.raises(ModelFileError, match=message):
        check_archive(content, "model.skops", suffixes=KINDS)


def test_an_archive_that_unpacks_to_too_much_is_refused():
    content = archive(("a.npy", bytes(600)), ("b.npy", bytes(600)), compression=zipfile.ZIP_STORED)
    with pytest.raises(ModelFileError, match="unpacks to 1,200 bytes; 1,000 are allowed"):
        check_archive(content, "model.skops", suffixes=KINDS, largest=1000)
    check_archive(content, "model.skops", suffixes=KINDS, largest=1200)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_may_be_there_once_only():
    with pytest.raises(ModelFileError, match=r"'schema.json' more than once"):
        check_archive(archive(("schema.json", "{}"), ("schema.json", "[]")), "model.skops", suffixes=KINDS)
