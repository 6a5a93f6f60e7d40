"""Servers and pages for the browser tests. Needs pytest, playwright and a Chromium; `.ci/browser` brings them.

Environment variables:

- `DIFFPLAN`: the command `diffplan`.
- `DIFFPLAN_BROWSER_CHECKPOINT`, `DIFFPLAN_BROWSER_MAZE`: checkpoints of Pendulum-v1 and, trained with goals, of a point maze.
- `DIFFPLAN_BROWSER_SHOTS`: a folder for screenshots; none are kept without it.
- `CHROMIUM`: the browser's executable; by default that of playwright, or `chromium` of the system.
"""

import base64
import itertools
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest
from playwright.sync_api import sync_playwright

ROOT = pathlib.Path(__file__).resolve().parents[4]


class Served:
    """A server on a port of its own, which can go down and come up again."""

    def __init__(self, checkpoint, *arguments, token=None):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.token = token
        self._command = [os.environ["DIFFPLAN"], "serve", "--checkpoint", str(checkpoint), "--listen", f"127.0.0.1:{self.port}", *arguments]
        self._process = None
        self.start()

    def start(self):
        environment = {key: value for key, value in os.environ.items() if key != "DIFFPLAN_TOKEN"}
        if self.token:
            environment["DIFFPLAN_TOKEN"] = self.token
        self._process = subprocess.Popen(self._command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(300):
            if self._process.poll() is not None:
                raise RuntimeError(f"{' '.join(self._command)}: {self._process.stderr.read()}")
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"{self.url} does not answer")

    def stop(self):
        self._process.kill()
        self._process.wait()
        self._process.stderr.close()

    def ask(self, method, path, body=None):
        """The answer's JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def watch(self, episode):
        """The frames of an episode as they come, past the server's page."""
        with urllib.request.urlopen(f"{self.url}/v1/episodes/{episode}/events", timeout=30) as stream:
            name = None
            for line in stream:
                line = line.decode().rstrip("\r\n")
                if line.startswith("event:"):
                    name = line[6:].strip()
                elif line.startswith("data:") and name == "frame":
                    yield json.loads(line[5:])

    def frames(self, episode, count=1):
        """The next frames of an episode, the newest that there is among them."""
        found = list(itertools.islice(self.watch(episode), count))
        assert len(found) == count, "the stream of frames ended"
        return found


@pytest.fixture(scope="session")
def pendulum():
    server = Served(os.environ.get("DIFFPLAN_BROWSER_CHECKPOINT", ROOT / "testdata" / "pendulum-hor32"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def maze():
    checkpoint = os.environ.get("DIFFPLAN_BROWSER_MAZE")
    if not checkpoint:
        pytest.skip("DIFFPLAN_BROWSER_MAZE names no checkpoint of a maze")
    server = Served(checkpoint)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def without_environment(tmp_path_factory):
    """The checkpoint of Pendulum, with nothing that says what it was trained for."""
    folder = tmp_path_factory.mktemp("bare") / "checkpoint"
    shutil.copytree(os.environ.get("DIFFPLAN_BROWSER_CHECKPOINT", ROOT / "testdata" / "pendulum-hor32"), folder)
    config = folder / "planning_config.json"
    config.write_text(json.dumps({key: value for key, value in json.loads(config.read_text()).items() if not key.startswith("env")}))
    server = Served(folder)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        where = os.environ.get("CHROMIUM")
        if not where and not pathlib.Path(playwright.chromium.executable_path).exists():
            where = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        # As root, which containers are, Chromium refuses to start with its sandbox.
        browser = playwright.chromium.launch(executable_path=where, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield browser
        browser.close()


class Watched:
    """A page, and everything about it that must not be: errors, violations of its policy, requests that leave its server."""

    def __init__(self, browser, server, **context):
        self.server = server
        self.context = browser.new_context(**({"viewport": {"width": 1440, "height": 900}} | context))
        self.page = self.context.new_page()
        self.errors = []
        # That one is of the test's own looking at what is drawn.
        self.expected = [re.compile("willReadFrequently")]
        self.requests = []
        self.episode = None
        self.page.on("console", lambda message: message.type in ("error", "warning") and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error.stack or error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("response", self._response)
        self.page.add_init_script(
            "addEventListener('securitypolicyviolation', (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`))"
        )

    def _response(self, response):
        if response.request.method == "POST" and response.url.endswith("/v1/episodes") and response.status == 201:
            self.episode = response.json()["id"]

    def open(self):
        self.page.goto(self.server.url + "/")
        return self

    def playing(self):
        """Opens it, and waits for plans."""
        self.open()
        self.wait("document.getElementById('now-step').textContent >= '1' && !document.getElementById('values-caption').textContent.startsWith('No plan')")
        return self

    def wait(self, condition, timeout=20_000):
        """Until an expression holds. By an own loop: playwright's would need `unsafe-eval`, which the page's policy forbids."""
        end = time.monotonic() + timeout / 1000
        while not self.page.evaluate(condition):
            if time.monotonic() > end:
                raise AssertionError(f"never came true: {condition}")
            self.page.wait_for_timeout(50)

    def text(self, id):
        return self.page.inner_text(f"#{id}")

    def step(self):
        return int(self.text("now-step"))

    def allow(self, pattern):
        """An error of the console that the test provokes."""
        self.expected.append(re.compile(pattern))

    def pixels(self, id):
        """What is drawn on a canvas: width, height, and RGBA bytes."""
        found = self.page.evaluate(
            """(id) => { const c = document.getElementById(id); const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
               let text = ''; for (let i = 0; i < d.length; i += 8192) text += String.fromCharCode(...d.subarray(i, i + 8192));
               return [c.width, c.height, btoa(text)]; }""",
            id,
        )
        return found[0], found[1], base64.b64decode(found[2])

    def shot(self, name, **options):
        folder = os.environ.get("DIFFPLAN_BROWSER_SHOTS")
        if folder:
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=pathlib.Path(folder) / f"{name}.png", **options)

    def close(self):
        # A page that is closed by playwright is not told; one that goes elsewhere ends its episode.
        self.page.goto("about:blank")
        self.context.close()
        errors = [text for text in self.errors if not any(pattern.search(text) for pattern in self.expected)]
        assert not errors, f"the console says: {errors}"
        away = [url for url in self.requests if not url.startswith((self.server.url + "/", "data:", "about:"))]
        assert not away, f"requests that leave the server: {away}"


@pytest.fixture
def watch(browser):
    """Makes watched pages: `watch(server, color_scheme="dark", …)`. After the test they are looked at for errors."""
    pages = []

    def make(server, **context):
        pages.append(Watched(browser, server, **context))
        return pages[-1]

    yield make
    for page in pages:
        page.close()
