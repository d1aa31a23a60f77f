"""The wall screen in a real browser: it says what the API says, as it happens, whatever happens to the collector."""

from __future__ import annotations

import re

from real_programs import make_people
from wall_screen import expected

from lanesim_parts import crowd_log
from lanesim_parts.scenario_clock import SimulatedClock
from lanesim_parts.sorts import LEAVES



async def agrees(stage, screen) -> None:
    """The page shows what the API says. Both may move on while they are read: then they are read again."""
    shown = api = None
    for _ in range(20):
        api = expected(stage)
        shown = await screen.figures()
        if shown == api:
            return
        await screen.page.wait_for_timeout(500)
    assert shown == api


def test_the_page_shows_what_the_api_says_as_it_happens(open_stage, open_screen, run):
    async def scenario():
        walker, driver, expired, red, later = make_people(
            "may pass: visitor", "may pass: vehicle", "test expired", "code red", "may pass: media"
        )
        async with open_stage([walker, driver, expired, red, later], lanes=3) as stage:
            people_lane, both_lane, out = (lane.simulated for lane in stage.lanes)
            async with open_screen(stage) as screen:
                # Nobody was here yet.
                assert await screen.number("people") == 0
                assert await screen.page.is_visible("#no-entrances")
                await people_lane.visit(walker)
                await screen.until_number("people", 1)
                await both_lane.visit(driver)
                await screen.until_number("vehicles", 1)
                assert (await people_lane.visit(expired)).answer == crowd_log.REFUSED
                assert (await people_lane.visit(red)).answer == crowd_log.REFUSED
                await screen.until_number("refused", 2)
                await screen.until_number("visitor-used", 1)
                await agrees(stage, screen)
                figures = await screen.figures()
                assert figures["refusals"]["test"] == 1 and figures["refusals"]["green_code"] == 1
                assert figures["flow"] == [1, 0]
                assert [row[2] for row in figures["entrances"]] == [1, 1]
                assert figures["zones"] == [["north-ring", "1"]]
                # What happens now shows on the page that is open.
                await both_lane.visit(later)
                await screen.until_number("people", 2)
                await out.visit(walker.leaving(LEAVES))
                await screen.until_number("people", 1)
                await screen.until_number("media-used", 1)
                await agrees(stage, screen)
                assert (await screen.number("in"), await screen.number("out")) == (2, 1)
                assert not await screen.is_stale()

    run(scenario())


def test_a_collector_that_is_away_shows_and_comes_back_by_itself(open_stage, open_screen, run):
    async def scenario():
        (walker,) = make_people("may pass: visitor")
        async with open_stage([walker]) as stage:
            async with open_screen(stage) as screen:
                assert "实时" in await screen.text("state")
                await stage.lanes[0].simulated.visit(walker)
                await screen.until_number("people", 1)
                await screen.page.evaluate("window.isTheSamePage = true")
                port = stage.client.port
                stage.collector.stop()
                await screen.until("document.body.classList.contains('stale')")
                state = await screen.text("state")
                assert "数据已停止更新" in state and "NOT UPDATED SINCE" in state
                assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", state), state
                opacity = "getComputedStyle(document.querySelector('main')).opacity"
                assert float(await screen.page.evaluate(opacity)) < 0.6
                assert await screen.number("people") == 1
                stage.start_collector(port)
                await screen.until("!document.body.classList.contains('stale')")
                assert "实时" in await screen.text("state")
                assert await screen.number("people") == 1
                # It was not loaded anew: nobody has to touch a screen on a wall.
                assert await screen.page.evaluate("window.isTheSamePage === true")
                await agrees(stage, screen)

    run(scenario())


def test_after_midnight_today_begins_anew_and_who_is_inside_stays(open_stage, open_screen, run, binaries, tmp_path):
    async def scenario():
        (walker,) = make_people("may pass: visitor")
        clock = SimulatedClock(tmp_path / "clock")
        launchers = {
            "lanekeeper-collector": ["env", *(f"{name}={value}" for name, value in clock.environment(binaries).items())]
        }
        async with open_stage([walker], launchers=launchers) as stage:
            async with open_screen(stage) as screen:
                await stage.lanes[0].simulated.visit(walker)
                await screen.until_number("people", 1)
                day = (await screen.text("clock"))[:10]
                assert (await screen.figures())["flow"] == [1, 0]
                clock.move_to(24 * 3600)
                await screen.until_number("in", 0)
                figures = await screen.figures()
                assert figures["figures"]["people"] == 1
                assert figures["figures"]["holders"] == 0
                assert figures["flow"] == [0, 0]
                assert [row[2] for row in figures["entrances"]] == [0]
                await screen.until(f"!document.getElementById('clock').textContent.startsWith('{day}')")
                await agrees(stage, screen)

    run(scenario())


SIZES = [(1920, 1080), (1366, 768), (820, 1180), (390, 844), (320, 640)]


def test_both_languages_stand_everywhere_and_nothing_overflows_on_a_wall_or_a_phone(open_stage, open_screen, run):
    async def scenario():
        (walker,) = make_people("may pass: visitor")
        async with open_stage([walker]) as stage:
            await stage.lanes[0].simulated.visit(walker)
            async with open_screen(stage, scheme="dark") as screen:
                await screen.until_number("people", 1)
                texts = await screen.page.evaluate(
                    """() => [...document.querySelectorAll('h1, h2, dt, th:not(:empty), li, #state, .empty')]
                        .filter((element) => !element.closest('#entrances'))
                        .map((element) => [...element.querySelectorAll('span[lang]')]
                            .map((part) => [part.lang, part.textContent.trim()]))"""
                )
                assert len(texts) > 30
                for parts in texts:
                    assert [language for language, _ in parts][:2] == ["zh-Hans", "en"], parts
                    assert all(text for _, text in parts), parts
                    assert re.search(r"[\u4e00-\u9fff]", parts[0][1]), parts
                    assert re.search(r"[A-Za-z]", parts[1][1]) and not re.search(r"[\u4e00-\u9fff]", parts[1][1]), parts
                # Nothing of a person: neither his number nor his chip's.
                whole = await screen.page.content()
                assert walker.chip.hex().lower() not in whole.lower()
                for width, height in SIZES:
                    await screen.page.set_viewport_size({"width": width, "height": height})
                    await screen.page.wait_for_timeout(100)
                    assert await screen.overflow() == [], (width, height)
                paper = "getComputedStyle(document.body).backgroundColor"
                dark = await screen.page.evaluate(paper)
                await screen.page.emulate_media(color_scheme="light")
                light = await screen.page.evaluate(paper)
                lightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (dark, light)]
                assert lightness[0] < 120 and lightness[1] > 600, (dark, light)
                line = "Object.values(Chart.instances)[0].data.datasets[0].borderColor"
                await screen.until(f"{line} === '#0b5cad'")

    run(scenario())
