"""Lanes that are enrolled, over mutual TLS: the way of a controller from `lane add` to its end, and whom the collector
does not believe."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pwd
import signal
import ssl
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from encrypted_site import PATIENCE_SECONDS, Site, eventually, program
from real_programs import make_people

from lanesim_parts import comparison, crowd_log

MOST_RENEWAL_STEPS = 40
USER = pwd.getpwuid(os.getuid()).pw_name


def openssl(*arguments: str | Path) -> str:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def subject_of(identity: Path) -> dict[str, str]:
    text = openssl("x509", "-in", identity, "-noout", "-subject", "-nameopt", "multiline")
    return {key.strip(): value.strip() for key, value in (line.split("=", 1) for line in text.splitlines()[1:])}


def forged(
    folder: Path, authority: tuple[Path, Path], subject: str, days: tuple[float, float], use: str = "clientAuth"
) -> Path:
    """A certificate as openssl makes it, valid between these days from now, with its key."""
    folder.mkdir(exist_ok=True)
    certificate, key = authority
    for name, content in (("index.txt", ""), ("serial", f"{os.urandom(8).hex()}\n"), ("index.txt.attr", "")):
        (folder / name).write_text(content)
    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca=own\n[own]\n" + f"database={folder}/index.txt\nserial={folder}/serial\nnew_certs_dir={folder}\n"
        "default_md=sha256\npolicy=any\nx509_extensions=ext\nunique_subject=no\n"
        "[any]\norganizationName=optional\ncommonName=optional\nserialNumber=optional\n"
        f"[ext]\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage={use}\n"
    )
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-utf8", "-subj", subject,
            "-keyout", folder / "key.pem", "-out", folder / "csr.pem")  # fmt: skip
    begin, end = ((datetime.now(timezone.utc) + timedelta(days=day)).strftime("%Y%m%d%H%M%SZ") for day in days)
    openssl("ca", "-batch", "-notext", "-config", folder / "ca.cnf", "-cert", certificate, "-keyfile", key,
            "-startdate", begin, "-enddate", end, "-in", folder / "csr.pem", "-out", folder / "cert.pem")  # fmt: skip
    both = folder / "identity.pem"
    both.write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())
    both.chmod(0o600)
    return both


def site_authority(site: Site) -> tuple[Path, Path]:
    return site.data / "keys" / "ca.pem", site.data / "keys" / "ca.key"


def subject_text(subject: dict[str, str], **changes: str) -> str:
    names = {"O": "organizationName", "CN": "commonName", "serialNumber": "serialNumber"}
    return "".join(f"/{short}={changes.get(short, subject[long])}" for short, long in names.items())


# Whom the collector believes.


def test_a_lane_that_was_added_is_believed_at_once(site: Site) -> None:
    answer = site.ask("/v1/statement", site.enrolled("north-01"))
    assert answer.status == 404 and answer.error == "no image has been published yet"
    assert "north-01" in site.lane("list")
    assert eventually(lambda: "last seen" in next(line for line in site.lane("list").splitlines() if "north-01" in line))


@pytest.mark.parametrize("path", ["/v1/statement", "/v1/image", "/v1/renewal", "/v1/records"])
def test_without_a_certificate_there_is_nothing_for_a_lane_not_even_with_a_token(site: Site, path: str) -> None:
    body = b"" if path in ("/v1/renewal", "/v1/records") else None
    token = site.token(f"for {path}", "operator")
    answer = site.ask(path, headers={"Authorization": f"Bearer {token}"}, body=body)
    assert answer.status == 401 and "lanes" in answer.error
    assert "lane add" in json.loads(answer.body)["advice"]


REFUSED = {
    "expired": ("expired", {}, (-30, -1), "clientAuth"),
    "not begun": ("begins", {}, (1, 30), "clientAuth"),
    "of another site": ("names none", {"O": "0" * 32}, (-1, 30), "clientAuth"),
    "of a lane that nobody added": ("not enrolled here", {"CN": "nobody"}, (-1, 30), "clientAuth"),
    "of another enrolment": ("enrolled anew", {"serialNumber": "0123456789abcdef.1"}, (-1, 30), "clientAuth"),
    "of no lane": ("names none", {"serialNumber": "1"}, (-1, 30), "clientAuth"),
    "of a server": ("names none", {}, (-1, 30), "serverAuth"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_certificates_of_the_right_authority_that_are_refused(site: Site, tmp_path: Path, case: str) -> None:
    words, changes, days, use = REFUSED[case]
    subject = subject_of(site.enrolled("north-02", case.replace(" ", "-")))
    identity = forged(tmp_path / "ca", site_authority(site), subject_text(subject, **changes), days, use)
    answer = site.ask("/v1/statement", identity)
    assert answer.status == 403 and words in answer.error, answer.body


def test_a_certificate_of_a_foreign_authority_is_refused_whatever_it_says(site: Site, tmp_path: Path) -> None:
    own = site.enrolled("north-03")
    foreign = tmp_path / "foreign.pem", tmp_path / "foreign.key"
    # The same name as the site's own authority.
    name = openssl("x509", "-in", site_authority(site)[0], "-noout", "-subject", "-nameopt", "multiline,-esc_msb,utf8")
    names = dict(line.split("=", 1) for line in name.replace(" ", "", 0).splitlines()[1:])
    subject = "".join(f"/{'O' if 'organ' in key else 'CN'}={value.strip()}" for key, value in names.items())
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-utf8",
            "-subj", subject, "-keyout", foreign[1], "-out", foreign[0])  # fmt: skip
    identity = forged(tmp_path / "ca", foreign, subject_text(subject_of(own)), (-1, 30))
    answer = site.ask("/v1/statement", identity)
    assert answer.status == 403 and "another authority" in answer.error


def test_a_removed_lane_is_refused_from_the_next_request_on_and_on_its_open_connection(site: Site) -> None:
    context = ssl.create_default_context(cafile=str(site.data / "keys" / "ca.pem"))
    context.load_cert_chain(site.enrolled("north-04"))
    connection = http.client.HTTPSConnection("127.0.0.1", site.port, timeout=30, context=context)
    with contextlib.closing(connection):
        connection.request("GET", "/v1/statement")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 404
        assert "refused from now on" in site.lane("remove", "north-04")
        connection.request("GET", "/v1/statement")
        answer = connection.getresponse()
        assert answer.status == 403 and b"was removed" in answer.read()
    assert "removed" in next(line for line in site.lane("list").splitlines() if "north-04" in line)


def test_the_controller_that_was_swapped_out_is_refused_and_the_new_one_is_believed(site: Site) -> None:
    old = site.enrolled("north-05", "old")
    new = site.enrolled("north-05", "new")
    answer = site.ask("/v1/statement", old)
    assert answer.status == 403 and "enrolled anew" in answer.error
    assert site.ask("/v1/statement", new).status == 404


def test_a_renewed_certificate_ends_the_one_before_at_its_first_use(site: Site, tmp_path: Path) -> None:
    first = site.enrolled("north-06")
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=whoever",
            "-keyout", tmp_path / "key.pem", "-out", tmp_path / "csr.pem")  # fmt: skip
    request = (tmp_path / "csr.pem").read_bytes()
    answer = site.ask("/v1/renewal", first, {"Content-Type": "application/pkcs10"}, request)
    assert answer.status == 200, answer.body
    second = tmp_path / "second.pem"
    second.write_bytes(answer.body + (tmp_path / "key.pem").read_bytes())
    assert subject_of(second)["commonName"] == "north-06"
    assert site.ask("/v1/statement", first).status == 404
    assert site.ask("/v1/statement", second).status == 404
    refused = site.ask("/v1/statement", first)
    assert refused.status == 403 and "was renewed" in refused.error
    damaged = request.replace(b"M", b"N", 1)
    answer = site.ask("/v1/renewal", second, {"Content-Type": "application/pkcs10"}, damaged)
    assert answer.status == 400 and "request" in answer.error


# The real programs.


def test_lanes_that_are_enrolled_work_over_mutual_tls_until_they_are_removed(open_stage, run) -> None:
    async def scenario() -> None:
        first, second, third = make_people("may pass: visitor", "test expired", "may pass: staff")
        async with open_stage([first, second, third], encrypted=True) as stage:
            lane = stage.lanes[0]
            assert (await lane.simulated.visit(first)).answer == crowd_log.RELEASED
            assert (await lane.simulated.visit(second)).answer == crowd_log.REFUSED
            await comparison.drained(stage.client, [lane.settings.id], stage.log.visits, stage.check, PATIENCE_SECONDS)
            data = ("--data", stage.data)
            stage.command("lanekeeper-collector", "lane", "remove", lane.settings.id, *data)
            log = stage.logs / f"lanekeeper-uplink-{lane.settings.id}.log"
            await stage.wait_for("the uplink says why", lambda: "was removed" in log.read_text())
            # The gate does not care.
            assert (await lane.simulated.visit(third)).answer == crowd_log.RELEASED
            lane.uplink.stop()
            lane.enrol()
            lane.start_uplink()
            visits = stage.log.visits
            seen = await comparison.drained(stage.client, [lane.settings.id], visits, stage.check, PATIENCE_SECONDS)
            result = comparison.compare(visits, seen, stage.badge_key)
            assert result.differences == [] and result.unexpected == []

    run(scenario())


def make_uplink(site: Site, folder: Path, lane: str, file: Path) -> tuple[Path, Path, Path]:
    """Enrols with `lanectl` below `folder`: the uplink's configuration, its identity, its state."""
    etc, identity, state = folder / "etc", folder / "identity", folder / "state"
    state.mkdir()
    done = program(site.binaries, "lanectl", "enrol", file, "--etc", etc, "--identity", identity, "--state", state,
                   "--run", folder, "--daemon-user", USER, "--uplink-user", USER)  # fmt: skip
    assert done.returncode == 0, done.stderr
    config = etc / lane / "lanekeeper-uplink.yaml"
    config.write_text(config.read_text() + "statement_interval_seconds: 1\n")
    return config, identity, state


@contextlib.contextmanager
def running_uplink(site: Site, folder: Path, config: Path) -> Iterator[Callable[[], str]]:
    path = folder / "uplink.log"
    with path.open("wb") as log:
        command = [str(site.binaries / "lanekeeper-uplink"), "--config", str(config)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield lambda: path.read_text(errors="replace")
        finally:
            process.terminate()
            assert process.wait(PATIENCE_SECONDS) == 0


def test_an_uplink_with_the_certificate_of_another_lane_brings_nothing_in(open_stage, run) -> None:
    async def scenario() -> None:
        async with open_stage(make_people("may pass: visitor"), lanes=2, encrypted=True) as stage:
            own, other = stage.lanes
            log = stage.logs / f"lanekeeper-uplink-{own.settings.id}.log"
            own.uplink.stop()
            for name in ("ca.pem", "lane.pem"):
                (own.identity / name).write_bytes((other.identity / name).read_bytes())
            own.start_uplink()
            words = f"the batch is of lane '{own.settings.id}', the certificate of '{other.settings.id}'"
            await stage.wait_for("it is refused", lambda: words in log.read_text())

    run(scenario())


def test_the_uplink_renews_its_certificate_in_time_and_goes_on_with_the_new_one(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "file.enrol"
    site.lane("add", "north-09", "--name", "九", "--out", file, "--days", "90")
    config, identity, _ = make_uplink(site, tmp_path, "north-09", file)
    subject = subject_of(identity / "lane.pem")
    old = forged(tmp_path / "ca", site_authority(site), subject_text(subject), (-61, 29))
    (identity / "lane.pem").write_bytes(old.read_bytes())
    with running_uplink(site, tmp_path, config) as log:
        assert eventually(lambda: "the certificate was renewed" in log()), log()
        assert subject_of(identity / "lane.pem")["serialNumber"] == subject["serialNumber"].replace(".1", ".2")
        assert (identity / "lane.pem").stat().st_mode & 0o777 == 0o600
        assert not (identity / "next.pem").exists()
        assert site.ask("/v1/statement", identity / "lane.pem").status == 404
        refused = site.ask("/v1/statement", old)
        assert refused.status == 403 and "was renewed" in refused.error
        assert eventually(lambda: "last seen" in site.lane("list"))


def test_a_renewal_that_was_cut_short_before_its_first_use_is_gone_on_with(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "file.enrol"
    site.lane("add", "north-10", "--name", "十", "--out", file)
    config, identity, _ = make_uplink(site, tmp_path, "north-10", file)
    subject = subject_of(identity / "lane.pem")
    waiting = forged(
        tmp_path / "ca", site_authority(site), subject_text(subject).replace(".1", ".2"), (-1, 800)
    ).read_bytes()
    (identity / "next.pem").write_bytes(waiting)
    with running_uplink(site, tmp_path, config) as log:
        assert eventually(lambda: "the certificate was renewed" in log()), log()
        assert (identity / "lane.pem").read_bytes().startswith(waiting[:200])
        assert not (identity / "next.pem").exists()


@pytest.mark.parametrize("how", ["kill", "cut"])
def test_an_uplink_that_is_killed_at_any_step_of_a_renewal_goes_on_with_it(site: Site, tmp_path: Path, how: str) -> None:
    """Before each of its calls that touch the identity's directory; `cut` is a power cut, which loses what is not synced."""

    def cut_short(step: int) -> bool:
        """Whether there is such a step."""
        folder = tmp_path / str(step)
        folder.mkdir()
        lane, file = f"{how}-{step}", folder / "file.enrol"
        site.lane("add", lane, "--name", lane, "--out", file, "--days", "90")
        config, identity, _ = make_uplink(site, folder, lane, file)
        own = identity / "lane.pem"
        own.write_bytes(
            forged(folder / "ca", site_authority(site), subject_text(subject_of(own)), (-61, 29)).read_bytes()
        )
        breaking = {
            "LD_PRELOAD": str(site.binaries / "libFailingCalls.so"), "FAIL_UNDER": str(identity), "FAIL_AT": str(step),
            "FAIL_HOW": how, "FAIL_SEED": str(step),
        }  # fmt: skip

        def is_renewed() -> bool:
            issue = subject_of(own)["serialNumber"].rsplit(".", 1)[1]
            return issue != "1" and not (identity / "next.pem").exists()

        with (folder / "first.log").open("wb") as log:
            first = subprocess.Popen(
                [site.binaries / "lanekeeper-uplink", "--config", config], stdout=log, stderr=log,
                env=os.environ | breaking,
            )  # fmt: skip
            try:
                assert eventually(lambda: first.poll() is not None or is_renewed())
            finally:
                was_killed = first.poll() == -signal.SIGKILL
                first.kill()
                first.wait(PATIENCE_SECONDS)
        assert was_killed or is_renewed(), (folder / "first.log").read_text()
        with running_uplink(site, folder, config) as said:
            assert eventually(is_renewed), (step, said())
            assert own.stat().st_mode & 0o777 == 0o600
            assert site.ask("/v1/statement", own).status == 404, "it is not believed"
        return was_killed

    killed: list[bool] = []
    with ThreadPoolExecutor(4) as pool:
        while all(killed):  # until a renewal has fewer steps
            assert len(killed) < MOST_RENEWAL_STEPS
            killed += pool.map(cut_short, range(len(killed) + 1, len(killed) + 5))
    assert sum(killed) > 10


# The file.


def test_the_file_comes_apart_so_that_each_user_has_what_is_his(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "file.enrol"
    said = site.lane("add", "north-11", "--name", "北登录厅-11", "--out", file)
    assert file.stat().st_mode & 0o777 == 0o600 and "secret" in said
    config, identity, _ = make_uplink(site, tmp_path, "north-11", file)
    etc = tmp_path / "etc"
    assert (etc / "badge.key").read_bytes() == (site.data / "keys" / "badge.key").read_bytes()
    assert (etc / "site.pub").read_bytes() == (site.data / "keys" / "site.pub").read_bytes()
    assert (etc / "badge.key").stat().st_mode & 0o777 == 0o600
    assert (identity.stat().st_mode & 0o777, (identity / "lane.pem").stat().st_mode & 0o777) == (0o700, 0o600)
    assert program(site.binaries, "lanekeeper-uplink", "--config", config, "--check-config").returncode == 0
    badge_key = (etc / "badge.key").read_text().split()[2]
    assert all(badge_key not in path.read_text() for path in [config, *identity.iterdir()])
    again = program(site.binaries, "lanectl", "enrol", file, "--etc", etc, "--identity", identity,
                    "--daemon-user", USER, "--uplink-user", USER)  # fmt: skip
    assert again.returncode == 0 and "lanekeeper-uplink.yaml.before" in again.stdout


def corrupt(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("cut", "damaged or cut off"),
        ("first byte", "does not begin with"),
        ("middle byte", "damaged or cut off"),
        ("last byte", "damaged or cut off"),
        ("readable", "others than its owner can read it"),
        ("foreign", "of site"),
        ("another lane's configuration", "is of lane south-01"),
        ("another lane's certificate", "is of lane north-01 already"),
        ("no file", "No such file"),
        ("no user", "there is no user nobody-at-all"),
    ],
)
def test_files_that_are_refused_leave_nothing_behind(site: Site, tmp_path: Path, case: str, words: str) -> None:
    file, etc, identity = tmp_path / "file.enrol", tmp_path / "etc", tmp_path / "identity"
    site.lane("add", "north-12", "--name", "12", "--out", file)
    data, user = file.read_bytes(), USER
    match case:
        case "cut":
            file.write_bytes(data[:-40])
        case "first byte":
            file.write_bytes(corrupt(data, 0))
        case "middle byte":
            file.write_bytes(corrupt(data, len(data) // 2))
        case "last byte":
            file.write_bytes(corrupt(data, len(data) - 2))
        case "readable":
            file.chmod(0o640)
        case "foreign":
            etc.mkdir()
            (etc / "site.pub").write_text(f"lanekeeper-site-public-1 {'1' * 32} {'2' * 64}\n")
        case "another lane's configuration":
            (etc / "north-12").mkdir(parents=True)
            text = f"lane: {{ id: south-01 }}\nsite: {{ id: {site.id} }}\n"
            (etc / "north-12" / "lanekeeperd.yaml").write_text(text)
        case "another lane's certificate":
            identity.mkdir()
            (identity / "lane.pem").write_bytes(site.enrolled("north-01", "again").read_bytes())
        case "no file":
            file.unlink()
        case "no user":
            if os.getuid() != 0:
                pytest.skip("only root gives files away")
            user = "nobody-at-all"
    before = sorted(path for path in tmp_path.rglob("*"))
    done = program(site.binaries, "lanectl", "enrol", file, "--etc", etc, "--identity", identity,
                   "--daemon-user", user, "--uplink-user", user)  # fmt: skip
    assert done.returncode == 1 and words in done.stderr, done.stderr
    assert sorted(path for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["lane", "add", "north-13"], 64, "needs --name NAME"),
        (["lane", "add", "--name", "x"], 64, "needs ID"),
        (["lane", "add", "North 13", "--name", "x"], 1, "not a lane's id"),
        (["lane", "add", "north-13", "--name", "a\nb"], 1, "one line"),
        (["lane", "add", "north-13", "--name", "x", "--url", "http://a"], 1, "not an https:// address"),
        (["lane", "add", "north-13", "--name", "x", "--days", "0"], 64, "--days is '0'"),
        (["lane", "add", "north-13", "--name", "x", "--out", "/"], 1, "is there already"),
        (["lane", "remove", "nobody"], 1, "no such lane"),
        (["lane", "remove"], 64, "needs ID"),
        (["lane", "remove", "nobody", "--name", "x"], 64, "--name is of no use"),
        (["lane", "list", "x"], 64, "takes no ID"),
        (["lane", "renew"], 64, "Allowed here: add, list, remove"),
        (["token", "add", "x"], 64, "needs --role viewer|operator"),
        (["token", "add", "x", "--role", "admin"], 64, "one of viewer, operator"),
        (["token", "add", "", "--role", "viewer"], 1, "not a name"),
        (["token", "remove", "x"], 1, "there is none"),
        (["token", "list", "--role", "viewer"], 64, "--role is of no use"),
    ],
)
def test_wrong_words_are_refused_in_one_sentence(site: Site, arguments: list[str], status: int, words: str) -> None:
    done = program(site.binaries, "lanekeeper-collector", *arguments, "--data", site.data)
    assert done.returncode == status and words in done.stderr, done.stderr
    assert "north-13" not in site.lane("list")
