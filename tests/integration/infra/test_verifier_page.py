"""The static page that checks receipts, in a browser."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from infra.verifier.corpus import read_corpus

from ...conftest import ROOT

PAGE = ROOT / "infra" / "verifier" / "verify.html"
LIMIT_S = 200
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # Milliseconds of the page's own time, in which its promises settle.
    "--virtual-time-budget=60000",
)
ASK = """
<script>
(async () => {
  const said = [];
  for (const [receipt, key] of %s) {
    const found = await verifyReceipt(receipt, key);
    show(found);
    said.push([found.accepted, document.getElementById("verdict").textContent]);
  }
  document.documentElement.dataset.said = JSON.stringify(said);
})();
</script>
"""


def test_page_stands_alone() -> None:
    """The page loads nothing and reaches nothing: its policy forbids it, and it names no address."""
    text = PAGE.read_text("utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|\bsrc=|\bimport\b|fetch\(|XMLHttpRequest", text)


@pytest.mark.process
def test_page_judges_as_the_verifiers_do(tmp_path: Path) -> None:
    """In Chromium the page accepts sound receipts, and refuses those whose proofs, ids or causes were damaged."""
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    files, expected = read_corpus()
    key = files["orch-seal.pub"].decode()
    # What was signed again only a verifier that derives decisions can tell.
    names = [name for name, wanted in expected.items() if not wanted.get("signed_again")]
    assert len(names) > 150
    cases = json.dumps([[files[name].decode(), key] for name in names]).replace("<", "\\u003c")
    page = tmp_path / "page.html"
    page.write_text(PAGE.read_text("utf-8") + ASK % cases, encoding="utf-8")
    command = [browser, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    said = re.search(r'data-said="([^"]*)"', done.stdout)
    assert said is not None, done.stderr[-2_000:]
    verdicts = dict(zip(names, json.loads(html.unescape(said[1])), strict=True))
    assert {name for name, (accepted, _) in verdicts.items() if accepted} == {
        name for name in names if expected[name]["verdict"] == "accept"
    }
    assert all(text.startswith("ACCEPTED" if accepted else "REFUSED") for accepted, text in verdicts.values())
