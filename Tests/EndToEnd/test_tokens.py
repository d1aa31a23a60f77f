"""Tokens: who may read, who may see single persons' records, and the login page."""

from __future__ import annotations

import http.client
import subprocess
from pathlib import Path
from urllib.parse import urlencode

import pytest

from encrypted_site import Answer, Site, program

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def tokens(site: Site) -> dict[str, str | None]:
    found: dict[str, str | None] = {role: site.token(role, role) for role in ("viewer", "operator")}
    return found | {"none": None, "wrong": "lk_" + "0" * 64}


EXPECTED = [
    ("/v1/tallies", {"none": 401, "wrong": 401, "viewer": 200, "operator": 200}),
    ("/v1/fleet", {"none": 401, "wrong": 401, "viewer": 200, "operator": 200}),
    ("/v1/lanes", {"none": 401, "wrong": 401, "viewer": 200, "operator": 200}),
    ("/v1/records", {"none": 401, "wrong": 401, "viewer": 403, "operator": 200}),
    ("/v1/occupancy", {"none": 401, "wrong": 401, "viewer": 200, "operator": 200}),
    ("/v1/ranking", {"none": 401, "wrong": 401, "viewer": 200, "operator": 200}),
    ("/", {"none": 303, "wrong": 303, "viewer": 200, "operator": 200}),
    ("/fleet", {"none": 303, "wrong": 303, "viewer": 200, "operator": 200}),
    ("/v1/statement", {"none": 401, "wrong": 401, "viewer": 401, "operator": 401}),
    ("/healthz", {"none": 200, "wrong": 200, "viewer": 200, "operator": 200}),
    ("/login", {"none": 200, "wrong": 200, "viewer": 200, "operator": 200}),
]


@pytest.mark.parametrize(("path", "statuses"), EXPECTED, ids=[path for path, _ in EXPECTED])
def test_each_role_sees_what_is_for_it(site: Site, tokens: dict, path: str, statuses: dict[str, int]) -> None:
    for who, status in statuses.items():
        token = tokens[who]
        for headers in [{"Authorization": f"Bearer {token}"}, {"Cookie": f"a=b; lanekeeper_token={token}"}]:
            answer = site.ask(path, headers=headers if token else {})
            assert answer.status == status, (who, headers, answer.body)
            if status in (401, 403):
                assert b'"advice":"' in answer.body


def test_a_token_is_shown_once_and_stored_only_as_a_hash(site: Site) -> None:
    token = site.token("shown once", "viewer")
    assert token.startswith("lk_") and len(token) == 67
    assert token not in site.said("token", "list", "--data", site.data)
    stored = b"".join(path.read_bytes() for path in site.data.glob("enrolment.sqlite*"))
    assert token.encode() not in stored and bytes.fromhex(token[3:]) not in stored


def test_a_removed_token_is_refused_at_once(site: Site) -> None:
    headers = {"Authorization": f"Bearer {site.token('leaves', 'viewer')}"}
    assert site.ask("/v1/tallies", headers=headers).status == 200
    site.said("token", "remove", "leaves", "--data", site.data)
    assert site.ask("/v1/tallies", headers=headers).status == 401


def test_a_browser_logs_in_with_a_cookie_that_scripts_and_other_sites_do_not_get(site: Site, tokens: dict) -> None:
    page = site.ask("/login")
    assert page.status == 200 and "登录".encode() in page.body and b"Access token" in page.body
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert site.ask("/").headers["location"] == "/login"
    wrong = site.ask("/login", headers=FORM, body=urlencode({"token": tokens["wrong"]}).encode())
    assert wrong.status == 401 and "set-cookie" not in wrong.headers and "令牌无效".encode() in wrong.body
    entered = site.ask("/login", headers=FORM, body=urlencode({"token": f" {tokens['viewer']} "}).encode())
    assert (entered.status, entered.headers["location"]) == (303, "/")
    cookie, *attributes = entered.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Secure", "Path=/"} <= set(attributes)
    assert site.ask("/", headers={"Cookie": cookie}).status == 200
    left = site.ask("/logout", headers={"Cookie": cookie}, body=b"")
    assert left.status == 303 and "Max-Age=0" in left.headers["set-cookie"]


def test_wrong_tokens_are_bounded_and_a_right_one_still_works(binaries: Path, tmp_path: Path) -> None:
    site = Site(binaries, tmp_path)
    try:
        token = site.token("right", "viewer")
        answers = [site.ask("/v1/tallies", headers={"Authorization": "Bearer lk_nothing"}) for _ in range(25)]
        assert [answer.status for answer in answers[:20]] == [401] * 20
        assert answers[-1].status == 429 and answers[-1].headers["retry-after"] == "60"
        assert site.ask("/v1/tallies", headers={"Authorization": f"Bearer {token}"}).status == 200
        assert (tmp_path / "collector.log").read_text().count("a wrong token") == 1
    finally:
        site.close()


def test_on_loopback_without_tls_everything_is_open_until_the_first_token(binaries: Path, tmp_path: Path) -> None:
    site = Site(binaries, tmp_path, options="")

    def ask(path: str, token: str | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.read(), {})

    try:
        assert [ask(path).status for path in ("/", "/v1/tallies", "/v1/records")] == [200, 200, 200]
        token = site.token("first", "viewer")
        assert [ask(path).status for path in ("/", "/v1/tallies", "/v1/records")] == [303, 401, 401]
        assert [ask(path, token).status for path in ("/", "/v1/tallies", "/v1/records")] == [200, 200, 403]
        # What lanes on this machine ask for stays as it was.
        assert ask("/v1/statement").status == 404
    finally:
        site.close()


@pytest.mark.parametrize(
    ("listen", "words"),
    [
        ("address: 0.0.0.0", "beyond this machine"),
        ("address: 0.0.0.0, tls: true", "say in listen.names"),
        ("address: 192.0.2.1, names: [a b], tls: true", "names[0]"),
        ("ca_file: a.pem", "of use with tls: true only"),
        ("tls: true, ca_file: a.pem", "belong together"),
        ("tls: perhaps", "listen.tls"),
    ],
)
def test_listening_beyond_this_machine_wants_tls_and_a_name(
    binaries: Path, tmp_path: Path, listen: str, words: str
) -> None:
    config = tmp_path / "collector.yaml"
    config.write_text(f"data: data\nlisten: {{ {listen} }}\nsite: {{ name_zh: 会, name_en: Expo }}\n")
    done = program(binaries, "lanekeeper-collector", "serve", "--config", config, "--check-config")
    assert done.returncode == 78 and words in done.stderr, done.stderr


def test_a_certificate_of_the_operators_own_is_shown(binaries: Path, tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=own", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", str(tmp_path / "own.key"), "-out", str(tmp_path / "own.pem")],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    (tmp_path / "own.key").chmod(0o600)
    site = Site(binaries, tmp_path, ", tls: true, certificate_file: own.pem, key_file: own.key, ca_file: own.pem")
    try:
        file = tmp_path / "lane.enrol"
        site.lane("add", "north-01", "--name", "1", "--out", file)
        own = (tmp_path / "own.pem").read_bytes()
        assert own in file.read_bytes()
        site.authority = tmp_path / "own.pem"
        assert site.ask("/healthz").status == 200
    finally:
        site.close()
