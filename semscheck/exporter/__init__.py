"""Serves: the Prometheus exporter. A scrape asks for a target by name; a run answers it.

The run itself, the reading of profiles and the catalogue come in as `Runners`; this package may import the model,
render, msgspec, and the server's libraries (uvicorn, h11, bcrypt, PyYAML, prometheus-client), which the extra
`semscheck[exporter]` installs.

| module | holds |
|---|---|
| `runners` | what is injected |
| `settings` | the exporter's configuration file |
| `web_config`, `passwords` | the web configuration file: TLS, client certificates, basic authentication |
| `run_queue`, `runs` | how many runs at once, whose turn it is; one run for all who ask for it |
| `probe_metrics` | a run's outcome as metrics |
| `history`, `status` | recent runs with their evidence, and the page that shows them |
| `metrics` | the exporter's own metrics |
| `process` | descriptors, and a new process in place of one that has grown |
| `app`, `auth` | the routes; who may come in |
| `server` | connections: bounded in number, size and time |
| `service` | all of it together, from start to end |
"""
