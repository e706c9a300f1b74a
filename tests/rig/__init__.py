"""A test rig of real servers: name servers, balancers, members, networks, and servers that lie.

The rig never imports the checker. Ask the `rig` fixture of `tests/conftest.py` for one; everything that a test
starts ends with it, and a failed test shows the servers' logs. Mark such tests `@pytest.mark.real`.

A whole site, to break one thing of it:

    @pytest.mark.real
    def test_a_round_robin_is_found(rig: Rig) -> None:
        scene = site(rig, method="roundrobin", stick="")
        report = scene.report("--connections", "12")
        assert "BAL001" in {finding["code"] for finding in report["findings"]}

Or from parts, each a description that `rig.start` brings to life and returns ready:

    @pytest.mark.real
    def test_two_members_behind_nginx(rig: Rig) -> None:
        port, certificate = rig.port(443), rig.authority.issue("keys.example.test")
        places = [rig.address("198.51.100.11"), rig.address("198.51.100.12")]
        for number, place in enumerate(places, start=1):
            rig.start(NginxMember(f"sems{number}", (Interface(place, port, certificate),)))
        members = tuple(Backend(f"sems{n}", place, port) for n, place in enumerate(places, start=1))
        vip = rig.address("192.0.2.100")
        balancer = rig.start(NginxStream(((vip, port),), members, "hash $remote_addr"))
        assert handshake(rig, vip, port).der == certificate.der
        assert len(choices(balancer, at_least=1)) == 1

Rules for tests:

- Ask `rig.address`, `rig.port` and `rig.nameserver` for every address and port, in the example ranges of
  RFC 5737 and RFC 3849. In network namespaces (root) they come back as they are; on loopback they become
  127.x.y.z and free ports. `RIG_NETWORK=loopback` in the environment forces loopback.
- What only namespaces can do (`rig.network.reject`, `balance`, `resolvers`, IPv6, delay) raises `MissingError`
  on loopback, which skips the test; `namespaced_rig` skips at once. With CI=true a skipped real test fails.
- Code that shall see the client's network runs through `rig.client`: `run` (a command), `python` (this
  interpreter), `call` (a function, in a thread; an asyncio loop may run in it).
- Wait for what is ready (`Server` does), never for time to pass. `balancers.choices`, `members.requests` and
  `Server.await_log` tell what the servers saw: the truth to compare the checker with.

| module | holds |
|---|---|
| `certs` | authorities and certificates, good and bad |
| `process` | a server process: start, readiness, log, freeze, kill, stop |
| `net` | network namespaces, or loopback: black holes, rejections, routes, delay, the kernel as balancer |
| `dnsservers` | BIND, Unbound, dnsmasq, PowerDNS |
| `balancers` | HAProxy, nginx as TCP and as HTTP balancer |
| `members`, `tomcat` | nginx and Tomcat members |
| `hostile` | servers that lie, stall, reset; lying name servers |
| `scene` | a whole site and its profile |
| `clients` | dig, curl and plain ssl, to look at the rig without the checker |
| `policy` | what holds for every test: environment, CI, logs of failed tests |
| `delay`, `liar` | programs that `net` and `hostile` run |
"""
