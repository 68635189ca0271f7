"""Machine instructions of a quick check outside of the kernel, by function, as valgrind counts them.

Bytecode counts say nothing of what one instruction calls: a member looked up in an enum is one, and so is an
addition. Two runs of different length are held against each other, so that the start drops out.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.bench.engine import BASELINES, compiled_c, hosts, serving

FEW, MANY = 500, 2_500  # checks
IN_FLIGHT = 100
MOST = 20  # functions that are shown
COUNTED = re.compile(r"^ *([\d,]+) \([ \d.]+%\)  [^ ]*?([^:/ ]+?)(?:'\d+)? \[", re.MULTILINE)


def main() -> None:
    if shutil.which("cc") is None or shutil.which("valgrind") is None:
        print("no C compiler or no valgrind: apt-get install gcc valgrind")
        return
    with tempfile.TemporaryDirectory() as folder, serving([compiled_c(Path(folder), "answerer")]) as port:
        few, many = (counted(Path(folder), port, checks) for checks in (FEW, MANY))
    many.subtract(few)
    for function, count in many.most_common(MOST):
        print(f"{count / (MANY - FEW):8.0f} {function}")


def counted(folder: Path, port: int, checks: int) -> Counter[str]:
    """Instructions by function of a client that checks so many endpoints."""
    endpoints, profile = folder / "endpoints.txt", folder / "profile"
    endpoints.write_text("".join(f"{host}:{port}\n" for host in hosts()[:checks]))
    client = [sys.executable, str(BASELINES / "eagleray_client.py"), str(endpoints), str(IN_FLIGHT)]
    valgrind = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={profile}"]
    subprocess.run([*valgrind, *client, f"http://127.0.0.1:{port}/get"], check=True, capture_output=True)
    annotate = ["callgrind_annotate", "--threshold=100", str(profile)]
    table = subprocess.run(annotate, check=True, capture_output=True, text=True).stdout
    total = re.search(r"^totals: (\d+)", profile.read_text(), re.MULTILINE)
    assert total is not None
    functions = Counter({"all, a check; give or take 2 % by how events fall into turns": int(total[1])})
    for count, function in COUNTED.findall(table):
        functions[function] += int(count.replace(",", ""))
    return functions


if __name__ == "__main__":
    main()
