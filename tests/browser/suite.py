"""Starts a system, and checks its OpenAPI document and its page. Ends with 1 if anything is not as it should be."""

import argparse
import pathlib
import re
import subprocess
import sys
import time

import openapi
import page

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# A week of calls by so many takes seconds.
UP = "--subscribers 60 --rate 5 --seed 1 --port 0"
START_MAX_SECS = 300
# What `about` of a feature says. Shown as it is, it is ugly; taken for markup, it changes the title.
HOSTILE = "<img src=x onerror=document.title='owned'></td><script>document.title='owned'</script>&lt;b&gt;"


class Report:
    """What was checked, and what failed."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, name, holds, found=""):
        if holds:
            self.passed += 1
            print(f"ok      {name}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED  {name}: {found}", flush=True)


class Up:
    """`tollwatch up` in a folder of its own, with a feature whose text is hostile."""

    def __init__(self, tollwatch, folder):
        definitions = (ROOT / "features.toml").read_text()
        changed = definitions.replace('about = "Calls attempted"', f'about = "{HOSTILE}"', 1)
        assert changed != definitions, "features.toml has no feature about calls attempted"
        (folder / "features.toml").write_text(changed)
        lists = folder / "lists"
        lists.mkdir()
        for listed in (ROOT / "lists").iterdir():
            (lists / listed.name).write_bytes(listed.read_bytes())
        command = [tollwatch, "up", "--folder", folder / "up", "--definitions", folder / "features.toml", *UP.split()]
        self.log = folder / "up.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def __enter__(self):
        until = time.monotonic() + START_MAX_SECS
        while time.monotonic() < until and self.process.poll() is None:
            text = self.log.read_text()
            url = re.search(r"^service +(http://\S+)", text, re.M)
            number = re.search(r"tollwatch get (\+\d+)", text)
            if url and number and "Ctrl-C ends it" in text:
                return url[1], number[1]
            time.sleep(0.2)
        self.__exit__()
        raise SystemExit(f"tollwatch up did not start:\n{self.log.read_text()}")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tollwatch", required=True, type=pathlib.Path)
    parser.add_argument("--folder", required=True, type=pathlib.Path)
    parser.add_argument("--chromium", required=True)
    parser.add_argument("--screenshots", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    report = Report()
    with Up(arguments.tollwatch.resolve(), arguments.folder) as (url, number):
        openapi.check(report, url, number)
        page.check(report, url, number, arguments.chromium or None, arguments.screenshots, HOSTILE)
    print(f"\n{report.passed} passed, {report.failed} failed")
    sys.exit(report.failed > 0)


if __name__ == "__main__":
    main()
