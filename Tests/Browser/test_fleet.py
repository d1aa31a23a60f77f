"""The page of all lanes in a real browser: it says what /v1/fleet says, in both languages, as it happens."""

from __future__ import annotations

import asyncio
import json
import re

from real_programs import make_people
from speaking_lanes import GATE, LOCKED, TECHNICIAN, THERMOMETER, Word, speak
from wall_screen import AWAY

from lanesim_parts import site

MANY = 1000
# What a lane's cells say, without what only grows older.
ROWS = """() => [...document.querySelectorAll('#table tbody')].filter((body) => !body.hidden).map((body) => ({
    lane: body.dataset.lane, severity: body.className || null, name: body.querySelector('button').textContent,
    cells: [...body.querySelectorAll('tr.lane td')].map((cell) => cell.innerText.trim()),
    troubles: [...body.querySelectorAll('.troubles li')].map((item) => item.dataset.kind),
}))"""
SUMMARY = """() => Object.fromEntries([...document.querySelectorAll('#summary dd')].map(
    (number) => [number.id.slice(4), number.textContent.replaceAll(',', '')]))"""


def fleet(stage) -> dict:
    return json.loads(stage.client.get("/v1/fleet"))


async def rows(screen) -> list[dict]:
    return await screen.page.evaluate(ROWS)


async def open_fleet(stage, screen, query: str = "") -> None:
    await screen.page.goto(stage.client.url + "/fleet" + query)
    await screen.until("document.querySelectorAll('#table tbody').length > 0")


async def agrees(stage, screen) -> list[dict]:
    """The page shows what the API says. Both may move on while they are read: then they are read again."""
    shown = told = None
    for _ in range(20):
        answer = fleet(stage)
        shown = [[row["lane"], row["severity"], row["name"], sorted(set(row["troubles"]))] for row in await rows(screen)]
        told = [
            [lane["lane"], lane["severity"], lane["name"], sorted({trouble["kind"] for trouble in lane["troubles"]})]
            for lane in answer["lanes"]
        ]
        summary = await screen.page.evaluate(SUMMARY)
        counts = {name: str(answer["summary"][name]) for name in summary if name in answer["summary"]}
        counts |= {"image": str(answer["image"]["version"]), "change": str(answer["image"]["change_number"])}
        if shown == told and summary == counts:
            return answer["lanes"]
        await screen.page.wait_for_timeout(500)
    assert (shown, summary) == (told, counts)
    return []


def until_kind(lane: str, kind: str, stands: bool = True) -> str:
    found = f"document.querySelector('[data-lane=\"{lane}\"] [data-kind=\"{kind}\"]')"
    return f"{found} {'!==' if stands else '==='} null"


def test_a_trouble_shows_first_with_what_to_do_and_ends_over_a_restart_of_the_collector(open_stage, open_screen, run):
    async def scenario():
        (walker,) = make_people("may pass: visitor")
        async with open_stage([walker], lanes=2) as stage:
            first, second = stage.lanes
            async with open_screen(stage, width=1440, height=900) as screen:
                await open_fleet(stage, screen)
                await screen.until("!document.querySelector('#table').innerText.includes('–')")
                lanes = await agrees(stage, screen)
                assert [lane["severity"] for lane in lanes] == [None, None]
                (_, devices, image, _, backlog, *_) = (await rows(screen))[0]["cells"]
                assert devices == f"{len(lanes[0]['devices'])} / {len(lanes[0]['devices'])}"
                assert image == f"{lanes[0]['image_version']} · {lanes[0]['change_number']}"
                assert re.match(r"\d+ · 0 %", backlog), backlog
                assert "实时" in await screen.text("state")

                # A device is unplugged: that lane goes first, and says what to do in both languages.
                line = second.simulated.thermometer.line
                line.unplug()
                await screen.until(until_kind(second.settings.id, "device-lost"))
                await agrees(stage, screen)
                top = (await rows(screen))[0]
                assert (top["lane"], top["severity"]) == (second.settings.id, "trouble")
                said = await screen.page.inner_text(f"[data-lane='{second.settings.id}'] .troubles")
                for text in ("设备失联", "device lost", "测温仪", "thermometer", "检查线缆和电源", "its cable and power"):
                    assert text in said, said
                assert f"lanectl --lane {second.settings.id} status" in said

                # Only trouble, and what is chosen stands in the address.
                await screen.page.check("[name=only]")
                assert [row["lane"] for row in await rows(screen)] == [second.settings.id]
                assert screen.page.url.endswith("?only=1")
                await screen.page.evaluate("window.isTheSamePage = true")

                port = stage.client.port
                stage.collector.stop()
                await screen.until("document.body.classList.contains('stale')")
                assert "NOT UPDATED SINCE" in await screen.text("state")
                stage.start_collector(port)
                await screen.until("!document.body.classList.contains('stale')")
                assert await screen.page.evaluate("window.isTheSamePage === true")
                await screen.until(until_kind(second.settings.id, "device-lost"))

                line.plug_in()
                await screen.until("document.querySelectorAll('#table tbody:not([hidden])').length === 0")
                assert "所有通道正常" in await screen.text("told")
                await screen.page.uncheck("[name=only]")
                await agrees(stage, screen)

                # A lane's details, by the keyboard, and its days gone by.
                await screen.page.focus(f"[data-lane='{first.settings.id}'] button")
                await screen.page.keyboard.press("Enter")
                details = await screen.page.inner_text(f"[data-lane='{first.settings.id}'] .details")
                lane = next(lane for lane in fleet(stage)["lanes"] if lane["lane"] == first.settings.id)
                assert lane["word"]["version"] in details and lane["stored_through"]["epoch"] in details
                await screen.page.click(f"[data-lane='{first.settings.id}'] .details a")
                await screen.until("location.pathname === '/history'")
                assert await screen.page.input_value("[name=lane]") == first.settings.id

    run(scenario())


def test_a_thousand_lanes_stay_in_place_on_a_desk_and_a_phone_in_both_languages(
    open_stage, open_screen, run, monkeypatch
):
    # They say nothing by themselves: however long this takes, that is no trouble.
    made = site.collector_configuration
    monkeypatch.setattr(
        site, "collector_configuration", lambda *given: made(*given) + "alerts: { lane_offline_seconds: 86400 }\n"
    )

    async def scenario():
        (walker,) = make_people("may pass: visitor")
        async with open_stage([walker]) as stage:
            names = [f"hall-{number:04}" for number in range(MANY)]

            async def say(**words: Word) -> None:
                said = [(name, words.get(name.replace("-", "_"), Word())) for name in names]
                # Beside the simulated devices, which would fall silent meanwhile.
                await asyncio.to_thread(speak, stage.client.port, stage.site_id, said)

            await say(hall_0700=Word(lost=GATE | THERMOMETER), hall_0300=Word(journal=1, held=70_000))
            async with open_screen(stage, width=1440, height=900, scheme="dark") as screen:
                await open_fleet(stage, screen)
                await screen.until(f"document.querySelectorAll('#table tbody').length === {MANY + 1}")
                await agrees(stage, screen)
                # In place: a lane's rows are the same ones when another one moves, and who has the focus keeps it.
                await screen.page.focus("[data-lane='hall-0500'] button")
                await screen.page.evaluate(
                    "window.kept = [...document.querySelectorAll('#table tbody')].map((body) => [body.dataset.lane, body])"
                )
                await say(
                    hall_0700=Word(), hall_0300=Word(journal=1, held=70_000), hall_0500=Word(lost=GATE),
                    hall_0900=Word(mode=LOCKED, cause=TECHNICIAN),
                )  # fmt: skip
                await screen.until(until_kind("hall-0500", "device-lost"))
                await screen.until(until_kind("hall-0700", "device-lost", stands=False))
                await agrees(stage, screen)
                top = [[row["lane"], row["severity"]] for row in (await rows(screen))[:3]]
                assert top == [["hall-0500", "trouble"], ["hall-0300", "warning"], ["hall-0900", "notice"]]
                assert await screen.page.evaluate(
                    "window.kept.every(([lane, body]) => document.querySelector(`[data-lane='${lane}']`) === body)"
                )
                assert await screen.page.evaluate("document.activeElement.closest('tbody').dataset.lane") == "hall-0500"
                # What did not change is not sent again: a word is a change, and nobody spoke since.
                revision = fleet(stage)["revision"]
                assert len(json.loads(stage.client.get(f"/v1/fleet?after={revision}"))["lanes"]) <= 1

                await screen.page.fill("[name=q]", "hall-03 hall")
                assert len(await rows(screen)) == 100
                assert "100 / 1,001" in await screen.text("count")
                await screen.page.check("[name=only]")
                assert [row["lane"] for row in await rows(screen)] == ["hall-0300"]
                await screen.page.reload()
                await screen.until("document.querySelectorAll('#table tbody:not([hidden])').length === 1")
                await screen.page.fill("[name=q]", "nowhere")
                assert "没有符合条件的通道" in await screen.text("told")
                await screen.page.fill("[name=q]", "")
                await screen.page.uncheck("[name=only]")

                # Both languages everywhere, and nothing wider than a desk or a phone.
                texts = await screen.page.evaluate(
                    """() => [...document.querySelectorAll('h1, h2, dt, thead th, label > span, .head b, .what, .do > span, #state')]
                        .filter((element) => element.checkVisibility())
                        .map((element) => [...element.querySelectorAll('span[lang]')]
                            .map((part) => [part.lang, part.textContent.trim()]).slice(0, 2))"""
                )
                assert len(texts) > 25
                for parts in texts:
                    assert [language for language, _ in parts] == ["zh-Hans", "en"], parts
                    assert re.search(r"[\u4e00-\u9fff]", parts[0][1]), parts
                    assert re.search(r"[A-Za-z]", parts[1][1]) and not re.search(r"[\u4e00-\u9fff]", parts[1][1]), parts
                for width, height in [(1440, 900), (1024, 768), (390, 844), (320, 640)]:
                    await screen.page.set_viewport_size({"width": width, "height": height})
                    wide = await screen.page.evaluate("document.documentElement.scrollWidth")
                    assert wide <= width, (width, wide)
                # A table for who hears it, also where it is drawn as a list.
                roles = await screen.page.evaluate(
                    "[...new Set([...document.querySelectorAll('#table [role]')].map((part) => part.getAttribute('role')))]"
                )
                assert {"row", "rowheader", "cell", "columnheader"} <= set(roles)
                assert [line for line in screen.said if not AWAY.search(line)] == []

    run(scenario())


def test_who_must_log_in_comes_back_to_the_page_that_he_asked_for(open_stage, open_screen, run):
    async def scenario():
        (walker,) = make_people("may pass: visitor")
        async with open_stage([walker]) as stage:
            async with open_screen(stage, width=390, height=844) as screen:
                await open_fleet(stage, screen)
                # The first token that is made: from then on everybody needs one.
                token = stage.make_token("screen", "viewer")
                await screen.page.wait_for_url("**/login?to=%2Ffleet")
                await screen.page.fill("[name=token]", token)
                await screen.page.click("button")
                await screen.page.wait_for_url("**/fleet")
                await screen.until("document.querySelectorAll('#table tbody').length > 0")
                assert screen.page.url == stage.client.url + "/fleet"
                # A browser says it of each refused answer, and gives advice on the form.
                screen.said = [line for line in screen.said if "401" not in line and not line.startswith("verbose")]

    run(scenario())
