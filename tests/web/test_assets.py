"""Styles and scripts travel compressed and are kept for ever; pages, which hold secrets, are neither."""

from __future__ import annotations

import gzip
import re

import pytest

from referral.web.assets import STATIC, assets, static, version
from tests.database import ClinicFixture
from tests.web.desk import Desk, OpenDesk


@pytest.fixture
def desk(clinic: ClinicFixture, open_desk: OpenDesk) -> Desk:
    return open_desk(clinic)


def test_a_page_asks_for_everything_at_an_address_of_this_version(desk: Desk) -> None:
    desk.get("/")
    asked = re.findall(r'(?:href|src)="(/static/[^"]+)"', desk.page)
    assert {path.rpartition("/")[0] for path in asked} == {f"/static/{version()}"}
    for path in asked:
        answer = desk.client.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("name", sorted(assets()))
def test_every_file_comes_compressed_to_who_can_read_that(desk: Desk, name: str) -> None:
    content = (STATIC / name).read_bytes()
    with desk.client.stream("GET", static(name)) as answer:
        sent = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(sent) == content
    assert len(sent) < len(content)
    plain = desk.client.get(static(name), headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == content
    assert plain.headers["content-type"].partition(";")[0] in ("text/css", "text/javascript", "image/svg+xml")


def test_pages_are_never_compressed(desk: Desk) -> None:
    for path in ("/", "/requests/new?patient=reflected", "/sign-in", "/request", "/verify"):
        answer = desk.client.get(path, headers={"Accept-Encoding": "gzip, br, zstd"})
        assert "content-encoding" not in answer.headers, path
        assert answer.headers["cache-control"] == "no-store", path


@pytest.mark.parametrize("path", ["/static/0123456789abcdef/staff.css", "/static/staff.css"])
def test_another_version_gets_what_there_is_and_may_not_keep_it(desk: Desk, path: str) -> None:
    answer = desk.client.get(path)
    assert answer.content == (STATIC / "staff.css").read_bytes()
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/static/none.css", "/static/", f"/static/{version()}/../assets.py", "/static/a/b/staff.css"]
)
def test_nothing_else_is_there(desk: Desk, path: str) -> None:
    assert desk.client.get(path).status_code == 404


def test_nothing_is_sent_there(desk: Desk) -> None:
    assert desk.client.post(static("staff.css")).status_code == 405
