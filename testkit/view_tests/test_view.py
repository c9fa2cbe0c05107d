# SPDX-License-Identifier: Apache-2.0
"""The page that shows a simulated run works in a real browser. `scripts/setup.sh --browser` installs what this needs."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "build/cargo")) / "release"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

if CHROMIUM is None:
    pytest.skip(
        "no chromium: scripts/setup.sh --browser installs it", allow_module_level=True
    )
playwright = pytest.importorskip(
    "playwright.sync_api",
    reason="no playwright: scripts/setup.sh --browser installs it",
)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """A run with crashes, cut links and several terms."""
    path = tmp_path_factory.mktemp("trace") / "run.jsonl"
    run = [BIN / "sim", "--seed", "10", "--steps", "4000", "--trace", path]
    subprocess.run(run, check=True, capture_output=True, timeout=120)
    return path


def open_page(browser, path):
    """The page of a trace, and the list that its errors go to."""
    page_path = path.with_suffix(".html")
    subprocess.run(
        [BIN / "view", path, "-o", page_path],
        check=True,
        capture_output=True,
        timeout=120,
    )
    page = browser.new_page(viewport={"width": 1400, "height": 860})
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: (
            problems.append(message.text) if message.type == "error" else None
        ),
    )
    page.on(
        "request",
        lambda request: (
            problems.append(request.url) if request.url != page_path.as_uri() else None
        ),
    )
    page.goto(page_path.as_uri())
    page.wait_for_selector(".row.current")
    return page, problems


def chosen(page):
    """The place of the chosen event, as the page says it."""
    page.wait_for_timeout(50)
    return int(page.inner_text("#position").split()[1]) - 1


def assert_clean(page, problems):
    assert problems == []
    assert page.is_hidden("#error")


def test_events_can_be_stepped_through_and_found(browser, trace):
    events = [json.loads(line) for line in trace.read_text().splitlines()]
    page, problems = open_page(browser, trace)
    assert page.inner_text("#title").startswith("Seed 10")
    first = chosen(page)
    page.keyboard.press("ArrowRight")
    second = chosen(page)
    assert second > first
    page.click("#forward")
    assert chosen(page) > second
    page.keyboard.press("ArrowLeft")
    assert chosen(page) == second
    page.keyboard.press("End")
    last = chosen(page)
    assert all(event["kind"] in {"end", "note", "work"} for event in events[last + 1 :])
    page.keyboard.press("Home")
    assert chosen(page) == first
    faults = [
        place
        for place, event in enumerate(events)
        if event["kind"] in {"crash", "pause", "links"}
    ]
    page.keyboard.press("n")
    page.keyboard.press("n")
    assert chosen(page) == faults[1]
    assert page.locator(".row.current").get_attribute("data-place") == str(faults[1])
    assert_clean(page, problems)


def test_nodes_kinds_and_words_can_be_filtered(browser, trace):
    page, problems = open_page(browser, trace)

    def listed():
        page.wait_for_timeout(50)
        return page.evaluate("listed.map((place) => model.events[place])")

    assert {event["kind"] for event in listed()} >= {
        "send",
        "deliver",
        "state",
        "crash",
        "applied",
    }
    page.uncheck("input[data-name='messages']")
    assert not {event["kind"] for event in listed()} & {"send", "deliver"}
    page.check("input[data-name='messages']")
    page.uncheck("input[data-name='node 2']")
    assert all(2 not in (event.get("node"), event.get("to")) for event in listed())
    assert page.locator("#logs .node[data-node='2']").count() == 0
    page.check("input[data-name='node 2']")
    page.fill("#search", "granted")
    replies = listed()
    assert replies
    assert all("granted" in event["text"] for event in replies)
    page.fill("#search", "")
    assert_clean(page, problems)


def test_the_logs_are_those_of_the_chosen_moment(browser, trace):
    events = [json.loads(line) for line in trace.read_text().splitlines()]
    page, problems = open_page(browser, trace)
    place = max(
        place
        for place, event in enumerate(events)
        if event["kind"] == "applied" and event["index"] > 20
    )
    logs, applied, commit = {}, {}, {}
    for event in events[: place + 1]:
        node = event.get("node")
        if event["kind"] == "log":
            kept = [
                e
                for e in logs.get(node, [])
                if event["base"]["index"] < e[0] <= event["keep"]
            ]
            logs[node] = kept + [
                (entry["index"], entry["term"]) for entry in event["entries"]
            ]
        elif event["kind"] == "applied":
            applied[node] = event["index"]
        elif event["kind"] == "state":
            commit[node] = event["commit"]
    page.evaluate(f"choose({place})")
    assert chosen(page) == place
    node = events[place]["node"]
    rows = page.locator(f"#logs .node[data-node='{node}'] tr:not(.base)")
    shown = [
        (int(index), int(term), "applied" in (css or ""), "committed" in (css or ""))
        for index, term, css in rows.evaluate_all(
            "rows => rows.map((row) => [row.cells[0].textContent, row.cells[1].textContent, row.className])"
        )
    ]
    expected = [
        (index, term, index <= applied[node], applied[node] < index <= commit[node])
        for index, term in reversed(logs[node][-60:])
    ]
    assert shown == expected
    assert "acting" in page.locator(f"#logs .node[data-node='{node}']").get_attribute(
        "class"
    )
    assert_clean(page, problems)


def test_the_picture_zooms_moves_and_says_what_is_under_the_pointer(browser, trace):
    page, problems = open_page(browser, trace)
    span = "lanes.to - lanes.from"
    before = page.evaluate(span)
    page.hover("#lanes", position={"x": 600, "y": 100})
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(50)
    assert page.evaluate(span) < before
    page.keyboard.press("0")
    page.wait_for_timeout(50)
    assert page.evaluate(span) == page.evaluate("lanes.extent()")
    page.keyboard.press("t")
    assert page.is_checked("#axis")
    page.evaluate("lanes.from = 100; lanes.to = 160; show()")
    page.wait_for_timeout(50)
    x, y, place = page.evaluate(
        "lanes.hits.find((hit) => hit[0] > 200 && hit[0] < 1200)"
    )
    page.hover("#lanes", position={"x": x, "y": y})
    assert page.evaluate(f"texts[{place}]") in page.inner_text("#tip")
    page.mouse.down()
    page.mouse.up()
    assert chosen(page) == place
    assert_clean(page, problems)


def test_hostile_text_stays_text(browser, tmp_path):
    path = tmp_path / "hostile.jsonl"
    text = "</script><img src=x onerror=alert(1)><!-- & \u2028"
    lines = [
        {
            "t": 0,
            "n": 0,
            "kind": "run",
            "seed": text,
            "tick": 100,
            "voters": 1,
            "plan": text,
        },
        {"t": 1, "n": 1, "kind": "start", "node": 1, "incarnation": 1},
        {"t": 2, "n": 2, "kind": "request", "node": 1, "text": text},
        {"t": 3, "n": 3, "kind": "violation", "invariant": text, "detail": text},
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    page, problems = open_page(browser, path)
    assert page.locator("img").count() == 0
    assert page.inner_text("#headline").startswith("VIOLATION </script><img")
    assert_clean(page, problems)


def test_fifty_thousand_events_are_no_problem(browser, tmp_path):
    path = tmp_path / "long.jsonl"
    run = [BIN / "sim", "--seed", "21", "--steps", "40000", "--trace", path]
    subprocess.run(run, check=True, capture_output=True, timeout=120)
    assert len(path.read_text().splitlines()) > 50_000
    page, problems = open_page(browser, path)
    page.keyboard.press("0")
    page.keyboard.press("End")
    page.wait_for_timeout(50)
    assert page.locator(".row").count() < 100
    assert chosen(page) > 50_000
    assert_clean(page, problems)
