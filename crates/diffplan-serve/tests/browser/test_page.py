"""The page of `diffplan serve` in a headless browser, on real servers: an episode is played, options take effect, a plan is denoised."""

import itertools
import urllib.error

import pytest

from conftest import ROOT, Served


def set_slider(seen, id, position):
    """Moves a slider as a key or a pointer does."""
    seen.page.locator(f"#{id}").evaluate("(slider, at) => { slider.value = String(at); slider.dispatchEvent(new Event('input', {bubbles: true})); }", position)


def in_force(seen, name, value):
    """Waits until the page says that the option is in force, and looks at a frame from the server itself."""
    seen.wait(f"!document.getElementById('option-{name}').closest('.control').hasAttribute('data-pending')")
    for frame in itertools.islice(seen.server.watch(seen.episode), 20):
        if frame.get("values") and frame["options"][name] == value:
            return frame
    raise AssertionError(f"no frame has {name} = {value}, the last: {frame['options']}")


def dots(seen):
    """Pixels of the strip of single values, right in the chart, that are not its ground."""
    width, height, data = seen.pixels("values-chart")
    # The strip's ground, from a corner that no dot comes to.
    at = lambda x, y: data[(y * width + x) * 4 : (y * width + x) * 4 + 3]
    ground = at(width - 46, 8)
    return sum(at(x, y) != ground for y in range(8, height - 30) for x in range(width - 46, width - 8))


def test_an_episode_is_played(watch, pendulum):
    seen = watch(pendulum).playing()
    first = seen.step()
    picture = seen.page.get_attribute("#picture", "src")
    seen.wait(f"Number(document.getElementById('now-step').textContent) > {first} + 5")
    assert seen.page.get_attribute("#picture", "src") != picture
    assert seen.page.evaluate("document.getElementById('picture').naturalWidth") >= 100
    assert "candidates" in seen.text("values-caption")
    seen.wait("/p50 .* ms, p95 .* ms, max .* ms/.test(document.getElementById('latency-caption').textContent)")
    for canvas in ("values-chart", "latency-chart"):
        assert len(set(seen.pixels(canvas)[2])) > 10, f"{canvas} is empty"
    # No plan is made in a thousandth of a millisecond, and none takes an hour.
    for deadline, late in (("0.001", r"(\d+) of \1"), ("3600000", "0 of")):
        seen.page.fill("#deadline", deadline)
        seen.wait(f"/; {late}.* later than/.test(document.getElementById('latency-caption').textContent)")
    seen.page.fill("#deadline", "")
    seen.page.wait_for_timeout(2500)
    seen.shot("pendulum-light", full_page=False)


def test_sliders_take_effect(watch, pendulum):
    seen = watch(pendulum).playing()
    set_slider(seen, "option-batch_size-slider", 0)
    assert len(in_force(seen, "batch_size", 1)["values"]) == 1
    seen.wait("document.getElementById('values-caption').textContent.startsWith('One candidate')")
    seen.page.wait_for_timeout(200)
    one = dots(seen)
    # By keys, as far as 16.
    slider = seen.page.locator("#option-batch_size-slider")
    slider.focus()
    while slider.get_attribute("aria-valuetext") != "16":
        seen.page.keyboard.press("ArrowRight")
    assert len(in_force(seen, "batch_size", 16)["values"]) == 16
    seen.wait("document.getElementById('values-caption').textContent.endsWith('of 16 candidates.')")
    seen.page.wait_for_timeout(200)
    many = dots(seen)
    assert 0 < one < 80 and many > 4 * one, (one, many)

    set_slider(seen, "option-num_inference_steps-slider", 2)
    in_force(seen, "num_inference_steps", 3)
    seen.page.select_option("#option-scheduler", "ddim")
    in_force(seen, "scheduler", "ddim")
    set_slider(seen, "option-n_guide_steps-slider", 0)
    seen.wait("document.getElementById('option-n_guide_steps').value === '0'")
    set_slider(seen, "option-scale-slider", 80)
    scale = float(seen.page.input_value("#option-scale"))
    frame = seen.server.frames(seen.episode, 10)[-1]
    assert frame["options"]["n_guide_steps"] == 0 and abs(frame["options"]["scale"] - scale) < 1e-5

    # Back to what the checkpoint says.
    seen.page.click("#defaults")
    in_force(seen, "batch_size", 8)
    assert seen.page.input_value("#option-scheduler") == ""
    assert seen.page.is_disabled("#defaults")


def test_an_option_that_is_refused_is_said_at_its_control(watch, pendulum):
    seen = watch(pendulum).playing()
    seen.allow("40[0-9]|422")
    seen.page.fill("#option-batch_size", "0")
    seen.wait("!document.getElementById('option-batch_size-error').hidden")
    assert "batch_size" in seen.text("option-batch_size-error")
    assert seen.page.get_attribute("#option-batch_size", "aria-invalid") == "true"
    # The episode goes on as it was.
    step = seen.step()
    seen.wait(f"Number(document.getElementById('now-step').textContent) > {step}")
    seen.page.fill("#option-batch_size", "4")
    seen.page.press("#option-batch_size", "Enter")
    seen.wait("document.getElementById('option-batch_size-error').hidden")
    in_force(seen, "batch_size", 4)
    assert seen.page.url == pendulum.url + "/" and seen.step() >= step


def test_denoising_is_shown_step_by_step(watch, pendulum):
    seen = watch(pendulum).playing()
    seen.page.evaluate(
        """() => { window.arrived = new Set(); new MutationObserver(() => window.arrived.add(document.getElementById('film-step').textContent))
           .observe(document.getElementById('film-step'), {childList: true, characterData: true, subtree: true}); }"""
    )
    seen.page.click("#denoise")
    seen.wait("document.getElementById('film-step').textContent === 'step 20 of 20' && !document.getElementById('denoise').disabled")
    assert seen.page.evaluate("window.arrived.size") >= 5, "steps did not arrive one after another"
    last = seen.pixels("film-values")[2]
    panel = "document.querySelector('#film-panels canvas').toDataURL()"
    finished = seen.page.evaluate(panel)
    seen.shot("denoising-finished", full_page=True)
    # Back by keys: another step is drawn.
    seen.page.focus("#scrubber")
    seen.page.keyboard.press("Home")
    seen.page.wait_for_timeout(150)
    assert seen.text("film-step") in ("noise, before step 1 of 20", "step 1 of 20")
    assert seen.page.evaluate(panel) != finished and seen.pixels("film-values")[2] != last
    for _ in range(8):
        seen.page.keyboard.press("ArrowRight")
    seen.page.wait_for_timeout(150)
    seen.page.locator("#denoising").scroll_into_view_if_needed()
    seen.shot("denoising-midway")
    # Played to its end.
    seen.page.click("#film-play")
    seen.wait("document.getElementById('film-step').textContent === 'step 20 of 20'")
    seen.wait("document.querySelector('#film-play .word').textContent === 'Play'")
    assert seen.page.evaluate(panel) == finished

    # Options hold for it too.
    set_slider(seen, "option-num_inference_steps-slider", 2)
    in_force(seen, "num_inference_steps", 3)
    seen.page.click("#denoise")
    seen.wait("document.getElementById('film-step').textContent === 'step 3 of 3'")


def test_pause_step_reset_seed_and_speed(watch, pendulum):
    seen = watch(pendulum).playing()
    seen.page.click("#play")
    seen.wait("document.querySelector('#play .word').textContent === 'Play'")
    seen.page.wait_for_timeout(300)
    held = seen.step()
    seen.page.wait_for_timeout(600)
    assert seen.step() == held
    seen.page.click("#step")
    seen.wait(f"document.getElementById('now-step').textContent === '{held + 1}'")
    seen.page.wait_for_timeout(300)
    assert seen.step() == held + 1

    def begin(seed):
        seen.page.fill("#seed", str(seed))
        seen.page.click("#reset")
        seen.wait("document.getElementById('now-step').textContent === '0'")
        seen.page.click("#step")
        seen.wait("document.getElementById('now-step').textContent === '1'")
        return seen.server.frames(seen.episode)[0]

    first, other, again = begin(7), begin(8), begin(7)
    assert first["observation"] == again["observation"] != other["observation"]
    assert first["action"] == again["action"], "the same seed gives another plan"
    seen.wait("document.getElementById('announcer').textContent === 'Reset with seed 7.'")
    seen.page.select_option("#speed", "4")
    seen.page.click("#play")
    seen.wait("Number(document.getElementById('now-step').textContent) > 10")
    assert seen.text("play").strip() == "Pause"


def test_an_episode_that_is_over_is_said_and_begun_again(watch, pendulum):
    seen = watch(pendulum).playing()
    set_slider(seen, "option-batch_size-slider", 0)
    set_slider(seen, "option-num_inference_steps-slider", 0)
    seen.page.select_option("#speed", "8")
    seen.wait("document.querySelector('#play .word').textContent === 'Again'", timeout=60_000)
    assert seen.step() == 200
    seen.wait("document.getElementById('stage-caption').textContent.includes('Ended')")
    seen.wait("document.getElementById('announcer').textContent.startsWith('The episode ended after 200 steps')")
    seen.page.click("#play")
    seen.wait("document.querySelector('#play .word').textContent === 'Pause' && Number(document.getElementById('now-step').textContent) < 150")


def goal_is_drawn_at(seen, x, y):
    """Whether the star's colour is where the plane's x, y is on the canvas."""
    return seen.page.evaluate(
        """([x, y, extent]) => {
          const c = document.getElementById('plane'), k = Math.min(c.width / (extent[1] - extent[0]), c.height / (extent[3] - extent[2]));
          const px = (c.width - k * (extent[1] - extent[0])) / 2 + (x - extent[0]) * k, py = (c.height - k * (extent[3] - extent[2])) / 2 + (extent[3] - y) * k;
          const [r, g, b] = c.getContext('2d').getImageData(Math.round(px), Math.round(py), 1, 1).data;
          return r > 150 && g < 120 && b < 100; }""",
        [x, y, seen.extent],
    )


def open_maze(watch, maze, **context):
    seen = watch(maze, **context)
    told = []
    seen.page.on("response", lambda r: told.append(r.json()) if r.request.method == "POST" and r.url.endswith("/v1/episodes") else None)
    seen.open()
    seen.wait("!document.getElementById('plane').hidden && Number(document.getElementById('now-step').textContent) >= 1 && !document.getElementById('goal').hidden")
    seen.extent = told[-1]["plane"]["extent"]
    seen.walls = told[-1]["plane"]["walls"]
    seen.page.wait_for_timeout(200)
    return seen


def place_of(seen, x, y):
    """Where x, y of the plane is on the screen."""
    box = seen.page.locator("#plane").bounding_box()
    x0, x1, y0, y1 = seen.extent
    k = min(box["width"] / (x1 - x0), box["height"] / (y1 - y0))
    return box["x"] + (box["width"] - k * (x1 - x0)) / 2 + (x - x0) * k, box["y"] + (box["height"] - k * (y1 - y0)) / 2 + (y1 - y) * k


def a_free_place(seen, apart_from, least=1.0):
    """A place well away from walls and from another place."""
    x0, x1, y0, y1 = seen.extent
    grid = [(x0 + (x1 - x0) * i / 60, y0 + (y1 - y0) * j / 60) for i in range(61) for j in range(61)]
    def room(x, y):
        return min([max(a - x, x - c, b - y, y - d) for a, b, c, d in seen.walls] + [x - x0, x1 - x, y - y0, y1 - y])
    found = [(x, y) for x, y in grid if room(x, y) > 0.25 and (x - apart_from[0]) ** 2 + (y - apart_from[1]) ** 2 > least]
    return max(found, key=lambda place: room(*place))


def test_a_goal_is_dragged_by_mouse(watch, maze):
    seen = open_maze(watch, maze)
    before = seen.server.frames(seen.episode)[0]["goal"]
    assert goal_is_drawn_at(seen, *before)
    to = a_free_place(seen, before)
    seen.page.mouse.move(*place_of(seen, *before))
    seen.page.mouse.down()
    seen.page.mouse.move(*place_of(seen, *to), steps=6)
    seen.page.mouse.up()
    seen.page.wait_for_timeout(900)
    frames = seen.server.frames(seen.episode, 3)
    assert max(abs(a - b) for a, b in zip(frames[-1]["goal"], to)) < 0.05, (frames[-1]["goal"], to)
    seen.page.wait_for_timeout(200)
    assert goal_is_drawn_at(seen, *to) and not goal_is_drawn_at(seen, *before)
    assert abs(float(seen.page.input_value("#goal-x")) - to[0]) < 0.05
    assert "Goal at x" in seen.text("announcer")
    # A click elsewhere puts it there.
    seen.page.mouse.click(*place_of(seen, *before))
    seen.page.wait_for_timeout(900)
    assert max(abs(a - b) for a, b in zip(seen.server.frames(seen.episode)[0]["goal"], before)) < 0.05
    seen.page.wait_for_timeout(1500)
    seen.shot("maze-light")


def test_a_goal_is_moved_by_keys(watch, maze):
    seen = open_maze(watch, maze)
    seen.allow("40[0-9]|422")
    before = seen.server.frames(seen.episode)[0]["goal"]
    to = a_free_place(seen, (-99, -99))
    seen.page.fill("#goal-x", str(to[0]))
    seen.page.fill("#goal-y", str(to[1]))
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_timeout(900)
    seen.page.focus("#goal")
    side = min(seen.extent[1] - seen.extent[0], seen.extent[3] - seen.extent[2])
    for _ in range(2):
        seen.page.keyboard.press("ArrowLeft")
    seen.page.keyboard.press("ArrowUp")
    seen.page.wait_for_timeout(900)
    goal = seen.server.frames(seen.episode)[0]["goal"]
    assert abs(goal[0] - (to[0] - side / 20)) < 1e-2 and abs(goal[1] - (to[1] + side / 40)) < 1e-2, (goal, to, before)
    assert goal_is_drawn_at(seen, *goal)
    assert "Goal at x" in seen.text("announcer") and "Goal at x" in seen.page.inner_text("#goal")
    # Into a wall it does not go, and that is said.
    for _ in range(30):
        seen.page.keyboard.press("Shift+ArrowLeft")
    seen.page.wait_for_timeout(900)
    assert "There is a wall" in seen.text("announcer")
    held = seen.server.frames(seen.episode)[0]["goal"]
    assert not any(a < held[0] < c and b < held[1] < d for a, b, c, d in seen.walls)
    # One that is typed into a wall is refused, where it was typed, and the old one stands.
    wall = max(seen.walls, key=lambda w: (w[2] - w[0]) * (w[3] - w[1]))
    seen.page.fill("#goal-x", str((wall[0] + wall[2]) / 2))
    seen.page.fill("#goal-y", str((wall[1] + wall[3]) / 2))
    seen.page.keyboard.press("Enter")
    seen.wait("!document.getElementById('stage-error').hidden || document.getElementById('stage-error').textContent !== ''")


def test_denoising_in_a_plane(watch, maze):
    seen = open_maze(watch, maze)
    seen.page.click("#denoise")
    seen.wait("!document.getElementById('film-plane-figure').hidden && !document.getElementById('denoise').disabled")
    finished = seen.pixels("film-plane")[2]
    seen.page.focus("#scrubber")
    seen.page.keyboard.press("Home")
    seen.page.wait_for_timeout(150)
    assert seen.pixels("film-plane")[2] != finished
    for _ in range(10):
        seen.page.keyboard.press("ArrowRight")
    seen.page.wait_for_timeout(150)
    seen.shot("maze-denoising", full_page=True)


def test_without_an_environment_an_observation_is_typed(watch, without_environment):
    seen = watch(without_environment).open()
    seen.wait("document.getElementById('main').dataset.view === 'model'")
    assert not seen.page.is_visible("#stage")
    seen.page.locator("#observation input").first.fill("-1")
    set_slider(seen, "option-batch_size-slider", 1)
    seen.page.wait_for_timeout(300)
    seen.page.click("#denoise")
    seen.wait("document.getElementById('film-step').textContent === 'step 20 of 20' && !document.getElementById('denoise').disabled")
    assert "of 2 candidates" in seen.text("film-caption")
    seen.shot("no-environment")


def test_a_token_is_asked_for(watch):
    server = Served(ROOT / "testdata" / "pendulum-hor32", token="correct-horse-battery-staple")
    try:
        seen = watch(server).open()
        # The server is killed under the page at the end.
        seen.allow("401|net::ERR_")
        seen.wait("document.getElementById('token-dialog').open")
        seen.shot("token")
        seen.page.fill("#token", "wrong")
        seen.page.keyboard.press("Enter")
        seen.wait("document.getElementById('token-dialog').open && !document.getElementById('token-error').hidden")
        seen.page.fill("#token", "correct-horse-battery-staple")
        seen.page.keyboard.press("Enter")
        seen.wait("!document.getElementById('token-dialog').open && Number(document.getElementById('now-step').textContent) > 3")
        seen.page.click("#denoise")
        seen.wait("document.getElementById('film-step').textContent === 'step 20 of 20'")
        # Kept for this tab.
        seen.page.reload()
        seen.wait("Number(document.getElementById('now-step').textContent) > 1")
    finally:
        server.stop()


def test_a_lost_connection_is_said_and_found_again(watch):
    server = Served(ROOT / "testdata" / "pendulum-hor32")
    try:
        seen = watch(server).playing()
        seen.allow("ERR_|404|Failed to load resource")
        set_slider(seen, "option-batch_size-slider", 2)
        in_force(seen, "batch_size", 3)
        server.stop()
        seen.wait("document.getElementById('connection').dataset.state === 'lost'")
        assert "trying again" in seen.text("connection")
        seen.wait("document.getElementById('announcer').textContent.includes('lost')")
        seen.shot("lost")
        before = seen.episode
        server.start()
        seen.wait("document.getElementById('connection').dataset.state === 'live'", timeout=30_000)
        seen.wait("document.getElementById('announcer').textContent === 'Connected again.'")
        seen.page.wait_for_timeout(1000)
        # The server knew nothing of the episode: a new one, as the page had it.
        assert seen.episode is not None and before is not None
        assert seen.server.frames(seen.episode, 5)[-1]["options"]["batch_size"] == 3
    finally:
        server.stop()


def test_leaving_the_page_ends_its_episode(watch, pendulum):
    seen = watch(pendulum).playing()
    seen.page.goto("about:blank")
    seen.page.wait_for_timeout(500)
    with pytest.raises(urllib.error.HTTPError) as refused:
        pendulum.ask("PATCH", f"/v1/episodes/{seen.episode}", {"paused": True})
    assert refused.value.code == 404
