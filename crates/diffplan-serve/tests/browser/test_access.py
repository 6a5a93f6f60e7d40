"""Who uses the page by keys, by a screen reader, on a small screen, with less motion, in the dark."""

import pytest

from test_page import open_maze

SIZES = [(360, 740), (768, 1024), (1024, 768), (1440, 900), (2200, 1200)]


def full(seen):
    """With everything open that can be opened."""
    seen.page.evaluate("document.getElementById('options-more').open = true")
    seen.page.click("#denoise")
    seen.wait("!document.getElementById('film').hidden && !document.getElementById('denoise').disabled")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["pendulum", "maze"])
def test_axe_finds_nothing(watch, request, which, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    server = request.getfixturevalue(which)
    seen = open_maze(watch, server, color_scheme=scheme) if which == "maze" else watch(server, color_scheme=scheme).playing()
    full(seen)
    # Pictures move while it looks.
    seen.page.click("#play")
    results = axe.Axe().run(seen.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
    found = [(v["id"], [node["html"][:120] for node in v["nodes"]]) for v in results.response["violations"]]
    assert not found, found
    seen.page.evaluate("document.getElementById('options-more').open = false; scrollTo(0, 0)")
    seen.page.wait_for_timeout(200)
    seen.shot(f"{which}-{scheme}-still")


@pytest.mark.parametrize("which", ["pendulum", "maze"])
def test_the_tabulator_reaches_every_control_and_all_have_names(watch, request, which):
    server = request.getfixturevalue(which)
    seen = open_maze(watch, server) if which == "maze" else watch(server).playing()
    full(seen)
    seen.page.click("#play")
    seen.wait("!document.getElementById('step').disabled")
    wanted = seen.page.evaluate(
        """() => [...document.querySelectorAll('a[href], button, input, select, summary')]
           .filter((e) => !e.disabled && e.checkVisibility({visibilityProperty: true}) && !e.closest('dialog')).map((e, i) => { e.dataset.tab = i; return e.id || e.tagName; })"""
    )
    names = seen.page.evaluate(
        """() => [...document.querySelectorAll('[data-tab]')].map((e) => [e.id || e.tagName,
           (e.getAttribute('aria-label') || [...(e.labels ?? [])].map((l) => l.textContent).join(' ') || e.textContent).trim()])"""
    )
    assert all(name for _, name in names), [id for id, name in names if not name]
    seen.page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    reached, rings = [], []
    for _ in range(len(wanted) + 3):
        seen.page.keyboard.press("Tab")
        at = seen.page.evaluate(
            """() => { const e = document.activeElement; const s = getComputedStyle(e);
               return e.dataset.tab === undefined ? null : [Number(e.dataset.tab), s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2]; }"""
        )
        if at:
            reached.append(at[0])
            rings.append(at)
    missing = [wanted[i] for i in range(len(wanted)) if i not in reached]
    assert not missing, missing
    assert all(ring for _, ring in rings), [wanted[i] for i, ring in rings if not ring]
    # The browser begins where was clicked last.
    first = reached[reached.index(0) :] + reached[: reached.index(0)]
    first = list(dict.fromkeys(first))
    assert first == sorted(first), "the order of keys is not that of the page"


@pytest.mark.parametrize("width,height", SIZES)
def test_nothing_is_wider_than_the_screen(watch, request, pendulum, maze, width, height):
    for server in (pendulum, maze):
        seen = open_maze(watch, server, viewport={"width": width, "height": height}) if server is maze else watch(server, viewport={"width": width, "height": height}).playing()
        full(seen)
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        wide = seen.page.evaluate(
            """(width) => [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && !e.classList.contains('unseen') && !e.closest('.unseen') && !e.closest('.skip'))
               .filter((e) => { const b = e.getBoundingClientRect(); return b.width > 0 && (b.right > width + 0.5 || b.left < -0.5); }).map((e) => e.id || e.className || e.tagName)""",
            width,
        )
        assert not wide, wide
        seen.page.evaluate("document.getElementById('options-more').open = false; scrollTo(0, 0)")
        seen.page.wait_for_timeout(200)
        seen.shot(f"{'maze' if server is maze else 'pendulum'}-{width}", full_page=width < 800)


def test_drawings_are_sharp_and_follow_the_colours(watch, pendulum):
    seen = watch(pendulum, device_scale_factor=2).playing()
    assert seen.page.evaluate("(() => { const c = document.getElementById('values-chart'); return Math.abs(c.width - 2 * c.getBoundingClientRect().width) <= 1; })()")
    seen.page.click("#play")
    seen.page.wait_for_timeout(400)
    light = seen.pixels("values-chart")[2]
    seen.page.select_option("#theme", "dark")
    seen.page.wait_for_timeout(200)
    assert seen.pixels("values-chart")[2] != light
    assert seen.page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"
    seen.page.reload()
    seen.wait("document.documentElement.dataset.theme === 'dark'")


def test_with_less_motion_only_the_finished_plan_is_shown(watch, pendulum):
    seen = watch(pendulum, reduced_motion="reduce").playing()
    seen.page.evaluate(
        """() => { window.arrived = new Set(); new MutationObserver(() => window.arrived.add(document.getElementById('film-step').textContent))
           .observe(document.getElementById('film-step'), {childList: true, characterData: true, subtree: true}); }"""
    )
    seen.page.click("#denoise")
    seen.wait("document.getElementById('film-step').textContent === 'step 20 of 20'")
    assert seen.page.evaluate("[...window.arrived]") == ["step 20 of 20"]


def test_frames_are_not_read_aloud(watch, pendulum):
    """What a screen reader says unasked is events: twenty frames a second would leave no room for anything else."""
    seen = watch(pendulum).playing()
    seen.page.evaluate(
        """() => { window.said = 0; for (const e of document.querySelectorAll('[aria-live]:not([aria-live=off]), [role=status], [role=alert], output:not([aria-live=off])'))
           new MutationObserver(() => window.said++).observe(e, {childList: true, characterData: true, subtree: true}); }"""
    )
    step = seen.step()
    seen.wait(f"Number(document.getElementById('now-step').textContent) > {step} + 20")
    assert seen.page.evaluate("window.said") == 0
    seen.page.click("#play")
    seen.wait("document.getElementById('announcer').textContent.startsWith('Paused at step')")
    assert seen.page.evaluate("window.said") == 1
    seen.page.click("#denoise")
    seen.wait("document.getElementById('announcer').textContent.startsWith('A plan was denoised in 20 steps')")
    assert seen.page.evaluate("window.said") == 2
