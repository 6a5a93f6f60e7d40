"""What the page's modules compute, called one by one in the browser."""

import re

import pytest


@pytest.fixture
def call(watch, pendulum):
    """`call(module, expression, *arguments)`: an expression with the module as `m` and the arguments as `a`."""
    seen = watch(pendulum).open()
    # A page that leaves before it knows its episode cannot end it.
    seen.wait("document.getElementById('now-step').textContent !== '–'")
    return lambda module, expression, *arguments: seen.page.evaluate(
        f"async (a) => {{ const m = await import('/assets/{module}.js'); return {expression}; }}", list(arguments)
    )


STREAM = ': here\n\nevent: frame\ndata: {"step":\ndata: 1}\n\nevent: end\r\ndata:{"why":"é – over"}\r\n\r\ndata: 3\n\nid: 7\nretry: 10\n\nevent: frame\rdata: {"step": 2}\r\r\n'
EVENTS = [["frame", {"step": 1}], ["end", {"why": "é – over"}], ["message", 3], ["frame", {"step": 2}]]


def test_events_are_read_in_any_pieces(call):
    found = call(
        "server",
        """(() => { const [text] = a, all = []; const read = (...pieces) => { const out = []; const parse = m.eventParser((n, d) => out.push([n, d])); pieces.forEach(parse); return out; };
           for (let i = 0; i <= text.length; i++) all.push(read(text.slice(0, i), text.slice(i)));
           all.push(read(...text)); return all; })()""",
        STREAM,
    )
    assert len(found) == len(STREAM) + 2
    assert all(events == EVENTS for events in found), [events for events in found if events != EVENTS][0]


def test_an_event_that_was_cut_off_is_none(call):
    assert call("server", "(() => { const out = []; m.eventParser((n) => out.push(n))('event: frame\\ndata: {\"step\": 1}\\n'); return out; })()") == []


@pytest.mark.parametrize(
    "low,high,count,expected",
    [(0, 10, 5, [0, 2, 4, 6, 8, 10]), (-1.2, 1.3, 4, [-1, 0, 1]), (3, 3, 4, [3]), (0, 0.0007, 4, [0, 0.0002, 0.0004, 0.0006]), (-308, -1, 4, [-300, -200, -100])],
)
def test_ticks_are_round(call, low, high, count, expected):
    assert call("draw", "m.ticks(...a)", low, high, count) == pytest.approx(expected)


@pytest.mark.parametrize("number,text", [(0, "0"), (-1.23456, "−1.235"), (1e-7, "1.00e−7"), (12345678, "1.23e+7"), (None, "–"), (0.03, "0.03"), (100, "100")])
def test_numbers_for_reading(call, number, text):
    assert call("draw", "m.say(a[0])", number) == text


def test_quantiles_are_between_neighbours(call):
    assert call("draw", "[0, 0.25, 0.5, 0.95, 1].map((p) => m.quantile(a[0], p))", [1, 2, 4, 8, 16]) == pytest.approx([1, 2, 4, 14.4, 16])
    assert call("draw", "m.quantile([5], 0.95)") == 5


def test_a_plane_and_back(call):
    there = call("plane", "(() => { const p = m.projection([-1, 7, 2, 6], 400, 300); return [p.to([-1, 6]), p.to([7, 2]), p.back(p.to([3.25, 4.5]))]; })()")
    # 8 × 4 in 400 × 300: 50 pixels a unit, 50 left above and below.
    assert there == [[0, 50], [400, 250], pytest.approx([3.25, 4.5])]


def test_free_places(call):
    plane = {"extent": [0, 4, 0, 3], "walls": [[1, 1, 2, 2]]}
    assert call("plane", "a[1].map((p) => m.free(a[0], p))", plane, [[0.5, 0.5], [1.5, 1.5], [4.5, 1], [1, 1.5]]) == [True, False, False, True]


def test_sliders_have_what_is_set(call):
    positions = lambda spec, model: call("options", "m.positions(a[0], a[1])", {"min": None, "max": None} | spec, model)
    counts = positions({"name": "batch_size", "default": 50, "max": 1 << 20}, {"limits": {"batch_size": 64}})
    assert counts == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 50, 64]
    assert positions({"name": "num_inference_steps", "default": None}, {"num_train_timesteps": 5}) == [1, 2, 3, 4, None]
    assert positions({"name": "num_inference_steps", "default": None}, {"num_train_timesteps": 1000})[-3:] == [700, 900, None]
    scales = positions({"name": "scale", "default": 0.03}, {})
    assert scales[0] == 0 and 0.03 in scales and scales[-1] == 0.12
    assert positions({"name": "eta", "default": 0.0}, {}) is None


# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
BLIND = {
    "nobody": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def luminance(rgb, matrix=BLIND["nobody"]):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (x / 255 for x in rgb)]
    seen = [min(max(sum(m * c for m, c in zip(row, linear)), 0), 1) for row in matrix]
    return 0.2126 * seen[0] + 0.7152 * seen[1] + 0.0722 * seen[2]


def contrast(a, b):
    a, b = sorted((luminance(a), luminance(b)))
    return (b + 0.05) / (a + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_values_are_told_apart_by_everyone(watch, pendulum, scheme):
    seen = watch(pendulum, color_scheme=scheme).playing()
    palette = seen.page.evaluate("async () => (await import('/assets/colours.js')).palette")
    rgb = lambda text: [float(x) for x in re.findall(r"[\d.]+", text)][:3]
    ramp = [rgb(colour) for colour in palette["ramp"]]
    for who, matrix in BLIND.items():
        light = [luminance(colour, matrix) for colour in ramp]
        rising = light if scheme == "dark" else light[::-1]
        assert all(b > a - 1e-3 for a, b in zip(rising, rising[1:])), who
        assert (max(light) + 0.05) / (min(light) + 0.05) > 3, who
    # The chosen plan on what it is drawn on, as graphics want it (WCAG 1.4.11), and the goal.
    for name in ("high", "goal"):
        for ground in ("card", "well"):
            assert contrast(rgb(palette[name]), rgb(palette[ground])) >= 3, (name, ground)
