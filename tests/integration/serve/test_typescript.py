"""A client in TypeScript, generated from the OpenAPI document."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from ...node_packages import NODE, node_modules
from .server_in_thread import ServerInThread

OPTIONS = {
    "strict": True,
    "target": "es2022",
    "lib": ["es2022", "dom"],
    "module": "nodenext",
    # Types of other packages, and of the language's own library, take most of the time.
    "types": [],
    "skipLibCheck": True,
}


def node(*command: str | Path, folder: Path) -> str:
    """Run one of Node's programs to its end."""
    done = subprocess.run(["node", *map(str, command)], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.process
def test_generated_client_asks_and_reads_the_decision(server: ServerInThread, tmp_path: Path) -> None:
    """Types come from the served document; a program with them compiles, asks, reads, gives feedback, takes it back."""
    packages = node_modules()
    (tmp_path / "node_modules").symlink_to(packages, target_is_directory=True)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": OPTIONS, "files": ["http_program.ts"]}))
    shutil.copy(NODE / "http_program.ts", tmp_path)
    node(
        packages / "openapi-typescript" / "bin" / "cli.js",
        f"{server.url}/openapi.json",
        "-o",
        "orch.ts",
        folder=tmp_path,
    )
    node(packages / "typescript" / "bin" / "tsc", folder=tmp_path)
    decided, told, taken_back, missing = node("http_program.js", server.url, folder=tmp_path).splitlines()
    decision = server.get("/v1/decisions/typescript").body
    assert json.loads(decided) == {
        "answer": decision["answer"],
        "text": decision["answer_text"],
        "cost": decision["cost_nusd"],
    }
    lessons = server.get("/v1/explain/typescript").body["lessons"]
    assert told == taken_back
    assert told in [lesson["event_id"] for lesson in lessons]
    assert missing.startswith("404 ")
