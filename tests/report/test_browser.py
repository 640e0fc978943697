"""The report in a real browser: nothing missing, nothing asked of the network, no error."""

import functools
import re
import shutil
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harmonic.report.render import draw_figures, render_report

CHROMIUM = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (found := shutil.which(name))
    ),
    None,
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium in the path"),
]

PROBE = """
<script>
addEventListener("load", () => {
  const height = document.documentElement.scrollHeight;
  document.querySelectorAll("details").forEach((one) => { one.open = true; });
  const images = [...document.images];
  const drawn = images.filter((image) => image.complete && image.naturalWidth > 0);
  const drawings = [...document.querySelectorAll("main svg")];
  const visible = drawings.filter((one) => one.getBoundingClientRect().height > 40);
  const wide = document.documentElement.scrollWidth > innerWidth;
  const outside = performance.getEntriesByType("resource").map((one) => one.name);
  document.body.dataset.found = JSON.stringify([
    images.length, drawn.length, drawings.length, visible.length, wide, height,
    outside.filter((name) => !name.startsWith("data:")).length]);
});
</script>
"""


@pytest.mark.parametrize("width", [500, 1200])
def test_the_page_opens_whole_and_asks_for_nothing(contents, tmp_path, width):
    html = render_report(contents, draw_figures(contents))
    (tmp_path / "report.html").write_text(html.replace("</body>", PROBE + "</body>"), "utf-8")
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, form: str, *values: object) -> None:
            asked.append(str(values[0]))

    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        result = subprocess.run(
            [
                str(CHROMIUM),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--enable-logging=stderr",
                f"--window-size={width},900",
                f"--user-data-dir={tmp_path / 'profile'}",
                "--virtual-time-budget=5000",
                "--dump-dom",
                f"http://127.0.0.1:{server.server_address[1]}/report.html",
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    finally:
        server.shutdown()
        server.server_close()
    found = re.search(r'data-found="\[([^"]*)\]"', result.stdout)
    assert found, "the page did not finish loading"
    images, drawn, drawings, visible, wide, height, outside = found[1].split(",")
    assert int(images) == int(drawn) == html.count("<img ") > 3
    assert int(drawings) == int(visible) == html.count("<svg ") > 5
    assert wide == "false", "the page is wider than its window"
    assert int(height) < 9000, "what is not asked for first is folded away"
    assert outside == "0"
    assert "CONSOLE" not in result.stderr, result.stderr
    paths = {line.split()[1] for line in asked if line.startswith("GET")}
    assert paths <= {"/report.html", "/favicon.ico"}  # the browser asks for an icon by itself
