"""Makes the server of a demonstration write down what clients send it, behind the encryption.

Python imports this module at its start when its folder is on the path. Only the process of the command
`server` is hooked: there, what the gateway passes on to the SuperLink is the plain text of every request.
"""

import json
import os
import sys
from pathlib import Path

if "server" in sys.orig_argv and "QKD_TEST_RECORD" in os.environ:
    import httpx

    _post = httpx.AsyncClient.post

    async def _recorded(self, url, *, content, headers):
        head = json.dumps([str(url), dict(headers), len(content)]).encode()
        with Path(os.environ["QKD_TEST_RECORD"]).open("ab") as file:
            file.write(len(head).to_bytes(4, "big") + head + content)
        return await _post(self, url, content=content, headers=headers)

    httpx.AsyncClient.post = _recorded
