"""S3Proxy, a server that speaks S3, on loopback, with buckets that are folders of this machine."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from pathlib import Path

from jars import Unavailable, fetched

RECIPE = Path(__file__).resolve().parent / "s3"
JARS = Path(__file__).resolve().parents[1] / ".cache" / "s3proxy-3.0.0"
KEY, SECRET = "tester", "a-secret-of-these-tests"
UNDER_WAY = re.compile(r"-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
SETTINGS = """
s3proxy.endpoint=http://127.0.0.1:{port}
s3proxy.authorization=aws-v2-or-v4
s3proxy.identity={key}
s3proxy.credential={secret}
s3proxy.ignore-unknown-headers=true
jclouds.provider=filesystem-nio2
jclouds.filesystem.basedir={buckets}
"""


class S3Server:
    """Started by `start`; `home` is a new folder, in which each folder of `buckets` is a bucket."""

    def __init__(self, home: Path, port: int) -> None:
        self.home, self.port = home, port
        self.buckets = home / "buckets"
        self.buckets.mkdir()
        self._process: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    def start(self) -> None:
        """Return when it answers. Raises Unavailable."""
        jars = fetched(RECIPE, JARS)
        settings = self.home / "s3proxy.conf"
        settings.write_text(SETTINGS.format(port=self.port, key=KEY, secret=SECRET, buckets=self.buckets))
        java = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        java += [f"-Dlogback.configurationFile={RECIPE / 'logback.xml'}", "-cp", f"{jars}/*"]
        with (self.home / "s3proxy.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*java, "org.gaul.s3proxy.Main", "--properties", str(settings)], stdout=log, stderr=log
            )
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        self.stop()
        raise Unavailable(f"S3Proxy did not start: {(self.home / 's3proxy.log').read_text()[-300:]}")

    def stop(self) -> None:
        """End it at once."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
        self.forget_broken_puts()

    def forget_broken_puts(self) -> None:
        """Remove what this server leaves of a put that was cut off: it would list that as an object, or a folder."""
        for each in sorted(self.buckets.glob("*/**/*"), reverse=True):
            if each.is_file() and UNDER_WAY.search(each.name):
                each.unlink()
            elif each.is_dir() and not any(each.iterdir()):
                each.rmdir()
