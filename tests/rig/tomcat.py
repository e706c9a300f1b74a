"""Members made of Tomcat: real HTTP sessions, kept on the server, each member its own.

Starting a Java machine takes a second, so one machine plays several members: each is a Service with its own
Connectors, Engine and session store, and knows nothing of the others. To freeze or kill one alone, start it alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from tests.rig.certs import Issued
from tests.rig.members import LOGIN_PATH, LOGIN_TITLE, MODIFIED_S, titled
from tests.rig.process import Listening, MissingError, Place, Server, program

_HOME = Path("/usr/share/tomcat10")

# The page behind the login is what starts a session: the container's own form login remembers in it where the
# browser wanted to go (Jakarta Servlet 6.0 section 13.6.3), and shows the login page at that address.
_WEB_XML = f"""<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="6.0" metadata-complete="true">
<security-constraint>
<web-resource-collection><web-resource-name>mail</web-resource-name>
<url-pattern>{LOGIN_PATH}</url-pattern></web-resource-collection>
<auth-constraint><role-name>user</role-name></auth-constraint>
</security-constraint>
<login-config><auth-method>FORM</auth-method><form-login-config>
<form-login-page>/login.html</form-login-page><form-error-page>/login.html</form-error-page>
</form-login-config></login-config>
<security-role><role-name>user</role-name></security-role>
<error-page><error-code>404</error-code><location>/missing.html</location></error-page>
</web-app>
"""
_DEFAULTS_XML = """<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="6.0">
<servlet><servlet-name>default</servlet-name>
<servlet-class>org.apache.catalina.servlets.DefaultServlet</servlet-class><load-on-startup>1</load-on-startup></servlet>
<servlet-mapping><servlet-name>default</servlet-name><url-pattern>/</url-pattern></servlet-mapping>
<mime-mapping><extension>html</extension><mime-type>text/html</mime-type></mime-mapping>
<welcome-file-list><welcome-file>index.html</welcome-file></welcome-file-list>
</web-app>
"""


@dataclass(frozen=True, slots=True)
class TomcatMember:
    """One member: an address and port with TLS, or plain HTTP behind something that ends TLS.

    A request for the login page starts a session (`cookie`, JSESSIONID by default). `route`, Tomcat's jvmRoute,
    is put behind the session's number. With `renews` a known session is kept, but under a new number each time,
    as Tomcat's form login has it when left alone: a cookie set again does not mean a session unknown.
    """

    name: str
    address: str
    port: int
    certificate: Issued | None = None
    route: str = ""
    cookie: str = "JSESSIONID"
    renews: bool = False


@dataclass(frozen=True, slots=True)
class Tomcat:
    """One Java machine with any number of members."""

    members: tuple[TomcatMember, ...]
    name: str = "tomcat"

    def launch(self, place: Place, directory: Path) -> Server:
        bootstrap = _HOME / "bin" / "bootstrap.jar"
        if not bootstrap.exists():
            raise MissingError("Tomcat 10 is not installed; tests/rig/debian-packages.txt names the packages")
        self._write(directory)
        options = [
            # Short runs: no time for the second compiler, no memory for a parallel collector.
            *("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xmx128m"),
            "-Djava.util.logging.SimpleFormatter.format=%4$s %5$s%6$s%n",
            f"-Djava.io.tmpdir={directory}",
            f"-Dcatalina.home={_HOME}",
            f"-Dcatalina.base={directory}",
        ]
        classes = f"{bootstrap}:{_HOME / 'bin' / 'tomcat-juli.jar'}"
        start = ["-cp", classes, "org.apache.catalina.startup.Bootstrap", "start"]
        return Server(
            [program("java"), *options, *start],
            place=place,
            directory=directory,
            name=self.name,
            listening=[Listening(one.address, one.port) for one in self.members],
            log_line="Server startup in",
            deadline_s=180.0,
        )

    def _write(self, directory: Path) -> None:
        pages = directory / "pages"
        (pages / "WEB-INF").mkdir(parents=True)
        (pages / "WEB-INF" / "web.xml").write_text(_WEB_XML)
        (pages / "login.html").write_text(titled(LOGIN_TITLE))
        (pages / "missing.html").write_text(titled("Symantec Encryption Server - Page Not Found"))
        (pages / "index.html").write_text(titled("Symantec Encryption Server - Login"))
        for page in pages.glob("*.html"):
            os.utime(page, (MODIFIED_S, MODIFIED_S))
        settings = directory / "conf"
        settings.mkdir()
        (settings / "web.xml").write_text(_DEFAULTS_XML)
        (settings / "tomcat-users.xml").write_text("<tomcat-users/>")
        services = "\n".join(self._service(one, pages, directory) for one in self.members)
        (settings / "server.xml").write_text(f'<Server port="-1">\n{services}\n</Server>\n')

    def _service(self, member: TomcatMember, pages: Path, directory: Path) -> str:
        route = f" jvmRoute={quoteattr(member.route)}" if member.route else ""
        where = f"address={quoteattr(member.address)} port={quoteattr(str(member.port))}"
        return f"""<Service name={quoteattr(member.name)}>
<Connector {where} protocol="org.apache.coyote.http11.Http11NioProtocol" maxThreads="8" minSpareThreads="1"
 scheme="https" secure="true"{self._tls(member, directory)}
<Engine name={quoteattr(member.name)} defaultHost="all"{route}>
<Realm className="org.apache.catalina.realm.MemoryRealm"/>
<Host name="all" appBase={quoteattr(f"apps-{member.name}")} autoDeploy="false" deployOnStartup="false">
<Context path="" docBase={quoteattr(str(pages))} sessionCookieName={quoteattr(member.cookie)}>
<Manager pathname=""/>
<Valve className="org.apache.catalina.authenticator.FormAuthenticator"
 changeSessionIdOnAuthentication="{"true" if member.renews else "false"}"/><JarScanner scanClassPath="false"/>
</Context></Host></Engine></Service>"""

    def _tls(self, member: TomcatMember, directory: Path) -> str:
        if member.certificate is None:
            return "/>"
        files = member.certificate.write(directory, member.name)
        certificate = (
            f"certificateFile={quoteattr(str(files.chain))} certificateKeyFile={quoteattr(str(files.key))}"
        )
        return f""" SSLEnabled="true">
<SSLHostConfig protocols="TLSv1.2+TLSv1.3"><Certificate {certificate}/></SSLHostConfig></Connector>"""
