"""A download stage that is killed goes on with the bytes it has."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.data import archives
from tests.data.loopback import Server

ROOT = Path(__file__).parents[2]
CODE = """
import sys
from functools import partial
from harmonic.data.sources.dataverse import fetch_dataverse
from harmonic.data.sources.transfer import RemoteFile
from stages import download

files = [RemoteFile(*row[:2], int(row[2]), md5=row[3])
         for row in (line.split() for line in sys.stdin)]
download.fetch_dataverse = partial(fetch_dataverse, files=files)
sys.argv = ["download", "--raw", "data/raw"]
sys.exit(download.main())
"""


@pytest.mark.slow
def test_a_killed_download_fetches_no_byte_twice(tmp_path: Path, server: Server) -> None:
    contents = archives.dataverse_files()
    name = "HAM10000_images_part_2.zip"
    filler = np.random.default_rng(0).bytes(8_000_000)
    members = dict(list(archives.images().items())[10:])
    contents[name] = archives.zipped({**members, "README": filler})
    server.contents = {f"/{file}": content for file, content in contents.items()}
    server.pause = 0.02  # 8 MB take 2.5 seconds
    rows = "\n".join(
        f"{file} {server.address}/{file} {len(content)} {archives.md5(content)}"
        for file, content in contents.items()
    )
    (tmp_path / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(
        text.replace("source: sample", "source: dataverse"), encoding="utf-8"
    )

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", CODE],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(rows)
        process.stdin.close()
        return process

    def kept() -> int:
        found = list(tmp_path.glob(f".partial/download/*/dataverse/{name}.part"))
        return found[0].stat().st_size if found else 0

    for least in (1_000_000, 3_000_000):
        process = start()
        deadline = time.monotonic() + 60
        while kept() < least:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "data").exists()
    last = kept()
    assert start().wait() == 0
    images = {path.name: path.read_bytes() for path in (tmp_path / "data/raw/images").iterdir()}
    assert images == archives.images()
    asked = server.ranges_of(f"/{name}")
    assert len(asked) == 3
    assert asked[0] is None
    assert asked[2] == f"bytes={last}-"
    for path in (f"/{archives.METADATA}", "/HAM10000_images_part_1.zip"):
        assert server.ranges_of(path) == [None]
