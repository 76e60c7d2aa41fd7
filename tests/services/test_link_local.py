"""Two machines can replicate if they have only link-local IPv6 addresses."""

import json
import subprocess
import sys
from pathlib import Path

from tests.namespaces import Network

LOGBOAT = str(Path(sys.executable).with_name("logboat"))


def test_store_is_pushed_to_a_link_local_address_over_tls(tmp_path: Path) -> None:
    with Network.for_test() as network:
        argo, brigid = network.hosts("argo", "brigid")
        network.segment("radio", argo, brigid, ipv4=False)
        serving = brigid.popen(
            [LOGBOAT, "db", "serve", str(tmp_path / "there.db"), "--host", "*", "--json"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert serving.stdout is not None
        with serving.stdout as lines:
            listening = json.loads(lines.readline())
            url = f"wss://[{brigid.link_local('eth0')}%25eth0]:4984/log"
            here = str(tmp_path / "here.db")
            argo.run([LOGBOAT, "db", "put", here, "a", "{}"])
            pushed = argo.run([LOGBOAT, "db", "push", here, url, "--pin", listening["fingerprint"]])
            assert pushed.startswith("pushed 1 document ")
            assert brigid.run([LOGBOAT, "db", "ls", str(tmp_path / "there.db")]).split() == ["a"]
            serving.kill()
