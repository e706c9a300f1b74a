"""Serves: the Prometheus exporter. A scrape asks for a target by name; a run answers it.

The run itself, the reading of profiles and the catalogue come in as `Doors`; this room may import the model, render,
msgspec, and the server's libraries (uvicorn, h11, bcrypt, PyYAML), which the extra `semscheck[exporter]` installs.

| module | holds |
|---|---|
| `doors` | what is injected |
| `settings` | the exporter's configuration file |
| `webconfig`, `passwords` | the web configuration file: TLS, client certificates, basic authentication |
| `slots`, `runs` | how many runs at once, whose turn it is; one run for all who ask for it |
| `answer` | a run's outcome as metrics |
| `history`, `status` | recent runs with their evidence, and the page that shows them |
| `ledger`, `process` | the exporter's own metrics |
| `app`, `gate` | the routes; who may come in |
| `server` | connections: bounded in number, size and time |
| `exporter` | all of it together, from start to end |
"""
