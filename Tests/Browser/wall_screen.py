"""The wall screen as somebody reads it."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from lanesim_parts.stage import Stage

CHROMIUM = "/usr/bin/chromium"
BOUND_SECONDS = 60
# What a browser says of itself while a collector is away.
AWAY = re.compile(r"net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE)")
KINDS = ("special-guest", "exhibitor", "visitor", "media", "staff", "security", "vehicle")


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        # Without a sandbox: tests run as root in containers. It loads nothing but the collector's page.
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


class WallScreen:
    def __init__(self, stage: Stage, page: Page) -> None:
        self.stage = stage
        self.page = page
        self.said: list[str] = []
        page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.said.append(f"error: {error}"))

    async def load(self) -> None:
        await self.page.goto(self.stage.client.url + "/")
        await self.until("document.getElementById('people').textContent !== '–'")

    async def until(self, holds: str) -> None:
        """Asked from outside: the page's policy lets nothing evaluate a text inside it, Playwright's own waiting included."""
        end = time.monotonic() + BOUND_SECONDS
        while not await self.page.evaluate(holds):
            assert time.monotonic() < end, f"not within {BOUND_SECONDS} s: {holds}; the console said {self.said}"
            await asyncio.sleep(0.05)

    async def until_number(self, id: str, number: int) -> None:
        await self.until(f"document.getElementById('{id}').textContent === '{number:,}'")

    def complaints(self) -> list[str]:
        """What the console said, but that the collector was away."""
        return [line for line in self.said if not AWAY.search(line)]

    async def text(self, id: str) -> str:
        return await self.page.inner_text(f"#{id}")

    async def number(self, id: str) -> int | None:
        """None: it is not known."""
        text = await self.page.text_content(f"#{id}") or ""
        return None if text == "–" else int(text.replace(",", ""))

    async def is_stale(self) -> bool:
        return await self.page.evaluate("document.body.classList.contains('stale')")

    async def figures(self) -> dict[str, Any]:
        """Every number on the page, by the names of `/v1/tallies`."""
        ids = ("people", "in", "holders", "out", "vehicles", "vehicles-in", "distinct-vehicles", "vehicles-out", "refused")
        keys = ("vaccine", "green_code", "test", "activated", "temperature", "other")
        return {
            "figures": {id: await self.number(id) for id in ids},
            "refusals": {key: await self.number(f"refused-{key}") for key in keys},
            "badges": {
                kind: [await self.number(f"{kind}-{count}") for count in ("issued", "activated", "used")] for kind in KINDS
            },
            "entrances": await self.page.eval_on_selector_all(
                "#entrances tr",
                "rows => rows.map(row => [row.dataset.entrance, ...['.recent', '.entries']"
                ".map(cell => Number(row.querySelector(cell).textContent.replaceAll(',', '')))])",
            ),
            "zones": await self.page.eval_on_selector_all(
                "#zones li",
                "rows => rows.map(row => [row.dataset.zone, row.querySelector('.count').textContent.replaceAll(',', '')])",
            ),
            "flow": await self.page.evaluate(
                "Object.values(Chart.instances)[0].data.datasets.map(set => set.data.reduce((sum, point) => sum + point.y, 0))"
            ),
        }

    async def overflow(self) -> list[str]:
        """What is wider than its place; names of entrances are cut short on purpose."""
        return await self.page.evaluate(
            """() => {
                const wide = [...document.querySelectorAll('section, h1, h2, output, dt, dd, th, td, li, p')].filter(
                    (element) => element.offsetParent && getComputedStyle(element).display !== 'inline'
                        && element.scrollWidth > element.clientWidth + 1 && !element.querySelector('.name'));
                const found = wide.map((element) => `${element.tagName} ${element.id} ${element.textContent.slice(0, 30)}`);
                if (document.documentElement.scrollWidth > innerWidth) found.push(`the page: ${document.documentElement.scrollWidth}`);
                return found;
            }"""
        )


def expected(stage: Stage) -> dict[str, Any]:
    """The same from the API."""
    tallies = stage.client.tallies()
    flow = json.loads(stage.client.get("/v1/flow"))["flow"]
    now = tallies["as_of_ms"] // 300_000 * 300_000
    today, total = tallies["corrected_today"], tallies["corrected"]

    def recent(entrance: dict[str, Any]) -> int:
        lanes = json.loads(stage.client.get(f"/v1/flow?lane={entrance['entrance']}"))["flow"]
        return sum(row["in"] + row["vehicles_in"] for row in lanes if row["at_ms"] >= now - 600_000)

    return {
        "figures": {
            "people": total["on_site_people"],
            "in": today["in"],
            "holders": tallies["today"]["distinct_holders"],
            "out": today["out"],
            "vehicles": total["on_site_vehicles"],
            "vehicles-in": today["vehicles_in"],
            "distinct-vehicles": tallies["today"]["distinct_vehicles"],
            "vehicles-out": today["vehicles_out"],
            "refused": today["refused"],
        },
        "refusals": tallies["refusals_today_by_key"],
        "badges": {row["kind"]: [row["issued"], row["activated"], row["used"]] for row in tallies["badges"] or []},
        "entrances": [[row["entrance"], recent(row), row["entries"]] for row in tallies["entrances"]],
        "zones": [
            [row["zone"], f"{row['people']}" + (f" / {row['limit']}" if row["limit"] else "")] for row in tallies["zones"]
        ],
        "flow": [sum(row[name] for row in flow) for name in ("in", "out")],
    }
