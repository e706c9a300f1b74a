"""A program: plays lab clusters of three members until its standard input ends; writes an exporter's configuration.

`python -m tests.bench.clusters NUMBER DIRECTORY`; a line of JSON says that they are ready: {"config": FILE}
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from semscheck.exporter.process import raise_descriptor_limit
from semscheck.lab.cluster import Lab
from semscheck.lab.scenarios import SCENARIOS

CONNECTIONS = 10


async def main(number: int, directory: Path) -> None:
    raise_descriptor_limit()
    lines = ['[web]\nlisten = ["127.0.0.1:0"]', f"[probe]\nconnections = {CONNECTIONS}\nreuse_s = 0"]
    async with AsyncExitStack() as stack:
        for index in range(number):
            world = SCENARIOS["healthy"].world
            assert world.balancer is not None
            # 200 balancers that look at their members four times a second would be what is measured.
            seldom = replace(world.balancer, check_interval_s=30.0)
            world = replace(world, seed=index, balancer=seldom)
            lab = await stack.enter_async_context(Lab(world))
            profile = directory / f"keys{index}.toml"
            profile.write_text(lab.profile_toml(), encoding="utf-8")
            lines.append(f'[targets.keys{index}]\nprofile = "{profile}"\nresolvers = ["{lab.resolver}"]')
        config = directory / "exporter.toml"
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        ready = {"config": str(config), "member": lab.members[0].client, "port": lab.port}
        print(json.dumps(ready), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
