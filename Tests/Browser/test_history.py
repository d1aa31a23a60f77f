"""The page of days gone by in a real browser: its tables say what the API says."""

from __future__ import annotations

import json

from real_programs import make_people

from lanesim_parts.sorts import LEAVES


async def table(page) -> list[list[str]]:
    return await page.eval_on_selector_all(
        "#rows tr", "rows => rows.map(row => [...row.children].map(cell => cell.innerText.trim()))"
    )


async def choose(screen, **values: str) -> None:
    for name, value in values.items():
        field = screen.page.locator(f"[name={name}]")
        await (field.fill(value) if name in ("day", "compare") else field.select_option(value))
    await screen.until("document.querySelector('main').getAttribute('aria-busy') === 'false'")


def rows(stage, query: str) -> list[dict]:
    return json.loads(stage.client.get(f"/v1/history?{query}"))["rows"]


def test_a_day_is_told_as_the_api_tells_it_in_both_languages_and_beside_another(open_stage, open_screen, run):
    async def scenario():
        walker, expired, later = make_people("may pass: visitor", "test expired", "may pass: media")
        async with open_stage([walker, expired, later], lanes=2) as stage:
            entry, out = (lane.simulated for lane in stage.lanes)
            async with open_screen(stage, width=1366, height=900) as screen:
                await entry.visit(walker)
                await entry.visit(expired)
                await entry.visit(later)
                await out.visit(walker.leaving(LEAVES))
                await screen.until_number("people", 1)
                await screen.until_number("refused", 1)
                page = screen.page
                await page.goto(stage.client.url + "/history")
                await screen.until("!document.getElementById('table').hidden")
                day = await page.input_value("[name=day]")
                assert await page.is_visible("#chart")
                text = await page.inner_text("body")
                assert "历史客流" in text and "History" in text

                await choose(screen, by="lane")
                shown = {line[0]: line[1:3] for line in await table(page)}
                told = {row["name"]: [str(row["in"]), str(row["out"])] for row in rows(stage, f"day={day}&by=lane")}
                assert shown == told and len(told) == 2
                assert sorted(told.values()) == [["0", "1"], ["2", "0"]]

                await choose(screen, by="kind")
                shown = {line[0].split(" ")[-1].lower(): line[1] for line in await table(page)}
                assert shown["visitor"] == "2" and shown["media"] == "1", shown
                await choose(screen, by="reason")
                (refusal,) = await table(page)
                assert refusal[1] == "1" and "核酸" in refusal[0]
                assert not await page.is_visible("#sum tr")

                await choose(screen, by="zone")
                shown = {line[0].split(" ")[-1]: line[1:3] for line in await table(page)}
                told = rows(stage, f"day={day}&by=zone")
                assert told and shown == {row["name_en"].split(" ")[-1]: [str(row["in"]), str(row["out"])] for row in told}
                assert not await page.is_visible("#sum tr") and await page.is_hidden("#told")

                # Beside a day on which nothing was; what is shown stands in the address.
                await choose(screen, by="entrance", compare="2020-01-01")
                (first, *_) = [line for line in await table(page) if line[0] == entry.settings.name]
                assert first[1:4] == ["2", "0", "+2"]
                assert "by=entrance" in page.url and "compare=2020-01-01" in page.url
                await page.reload()
                await screen.until("!document.getElementById('table').hidden")
                assert await page.input_value("[name=compare]") == "2020-01-01"

                # An hour in which nobody was, and back to the whole day.
                download = await page.get_attribute("#download", "href")
                csv = stage.client.get(download).decode()
                assert csv.startswith("entrance,name_zh,name_en,in,out,")
                assert csv.count("\r\n") == 1 + len(rows(stage, f"day={day}&by=entrance"))
                await choose(screen, day="2020-01-02", compare="2020-01-01")
                assert await page.is_hidden("#table")
                assert "没有记录" in await page.inner_text("#told")

                # A phone: nothing goes beyond its width.
                await page.set_viewport_size({"width": 390, "height": 844})
                await choose(screen, day=day, compare="", by="hour")
                width = await page.evaluate("document.documentElement.scrollWidth")
                assert width <= 390, width

    run(scenario())
