"""Words that name nobody, and so may stay in text that came from the network or from this desktop.

Redaction keeps what it knows and replaces the rest: titles, banners, headers, certificate subjects and paths
keep only these words, short numbers and punctuation. A host called `mail` or `keys` is still replaced inside
a name (`mail.example.com`); as a word by itself it says nothing.
"""

from __future__ import annotations

# Product and protocols. Titles, banners and paths as the sources of the rules CLU004 and CLU006 have them.
_PRODUCT = """
symantec broadcom pgp encryption universal management server desktop web email protection verified directory
login page not found service ready proxied greeted us with proxying this connection here gateway keyserver
pgpuniversal pgpuniversaldesktop omc getloginscreen uevent ovid ldap ldaps imap imap4 imap4rev1 pop pop3 smtp
esmtp smtps imaps pop3s ssh http https tls ssl tcp udp dns soap xml ovidsrv cn pgpserverinfo pgpsoftware
pgpversion searchable uploaded keys users prefs crl build version release enterprise drive messaging
pgpprefs pgppolicy pgpdefault pgpstamp pgplog pgptray installpath corporation mail admin policygroup com org
plist semscheck sems
"""
_HTTP = """
http www apache tomcat coyote nginx openresty haproxy envoy caddy traefik varnish squid iis microsoft jetty
httpd openssl unix debian ubuntu red hat centos win64 win32 php python perl node express java servlet
jsp bigip big ip f5 citrix netscaler adc nitro ns cache a10 barracuda kemp lm loadmaster fortinet fortigate
fortiweb fortiadc aws awselb elb alb amazon azure application gateway arr cloudflare cloudfront akamai
imperva incapsula radware alteon oracle ibm websphere webseal pulse ivanti zeus via server date content type
length encoding language location set cookie cookie2 expires max age path domain secure httponly samesite lax
strict none partitioned priority high medium low last modified etag accept ranges bytes vary connection close
keep alive timeout max transfer chunked gzip deflate br identity zstd pragma no cache no-store control private
public must revalidate proxy immutable stale while if error x frame options sameorigin deny allow allowed
origin credentials methods headers expose xss protection mode block nosniff transport security
includesubdomains preload referrer policy permissions feature cross embedder opener resource same site script
src img style font self unsafe inline eval data default report uri to nel upgrade insecure requests status
powered by aspnet version generator runtime request id trace correlation forwarded for host proto real
backend served servedby server-name node name text html plain xhtml json javascript css png jpeg icon octet
stream utf utf8 iso charset us ascii boundary multipart form urlencoded get head post put delete options
patch trace retry after warning www authenticate basic digest negotiate ntlm bearer realm cnection cneonction
nncoection oracle bmc lbs route mapping iinfo cdn mon tue wed thu fri sat sun jan feb mar apr may jun jul
aug sep sept oct nov dec gmt utc moved permanently temporarily found ok bad request unauthorized forbidden
method internal unavailable implemented too many entity large uri unsupported media teapot continue
index home default root main welcome works it test error errors page document object title body head true
false yes deleted null undefined
"""
# Cookie names, most from recog's http_cookies.xml and wafw00f's list; their values are never kept.
_COOKIES = """
jsessionid jsessionidsso phpsessid aspsessionid asp net sessionid session sessid sid serverid srv websvr
bigipserver bigipcookie mrhsession lastmrh nsc sto bni persistence barracuda lb bnes barra counter awsalb
awsalbcors awsalbtg awsalbtgcors awsalbapp awselbcors applicationgatewayaffinity
applicationgatewayaffinitycors arraffinity arraffinitysamesite fgtserver fortiwafsid alteonp ibmcbr pd
stateful amwebjct visid incap ses nlbi affinity sticky stickysession lbs balanceid balancer loadbalancer
csrf token xsrf csrftoken
"""
_CERTIFICATE = """
cn ou o l st c dc e emailaddress serialnumber street postalcode surname givenname uid ca root issuing
intermediate sub subordinate policy authority certification certificate certificates trust trusted services
service global public private secure network networks security systems technologies solutions primary class
domain validation organization organisation extended validated ev ov dv rsa ecc ecdsa dsa ed25519 sha1 sha256
sha384 sha512 md5 tls ssl server client code signing timestamping signed self internal inspection proxy
default dummy test example snakeoil untrusted interception
digicert verisign thawte geotrust rapidssl globalsign sectigo comodo usertrust entrust godaddy go daddy
starfield quovadis swisssign buypass actalis certum telekom isrg let's let encrypt letsencrypt identrust
zscaler netskope fortinet palo alto checkpoint check point bluecoat blue coat proxysg sophos mcafee skyhigh
cisco umbrella forcepoint websense kaspersky eset avast avg bitdefender norton dell sonicwall watchguard
barracuda untangle squid mitmproxy charles fiddler burp portswigger cloudflare gateway trellix iboss
menlo cato contentkeeper lightspeed securly untrust
llc inc ltd limited gmbh ag sa plc corp co corporation company
"""
_DESKTOP = """
c d hkey local machine current user software wow6432node hklm hkcu users appdata roaming programdata program
files x86 windows system32 drivers etc hosts winreg registry library preferences application support
documents desktop downloads home root tmp temp var opt usr lib share bin config cache local resolv conf ssl
certs crt cert pem cer der p7b pfx toml yaml yml ini cfg txt md markdown json jsonl xml html htm htm5 log pdf
png svg prom py dll exe so evidence profile report target targets member members balancer replication client
port ports fqdn resolver resolvers ca file connections deadline timeout services format text nagios prometheus
junit output save redact fail on severity quiet verbose color colour warning critical info unknown failover
linux darwin macos generic amd64 x86_64 aarch64 arm64 localhost localdomain local loopback ip6 allnodes
allrouters ip6-localhost ip6-loopback broadcasthost environment scutil proxy pac bypass wpad dat auto
http_proxy https_proxy no_proxy all_proxy
"""
_ENGLISH = """
the a an and or of to in on at by for from as is are was be been not no none all any each every more less
than with without this that these those it its your you we our us can cannot could may might must should will
would has have had do does did done new old one two three first last next other another same different only
also again please use used using here there where when what which who how why if then else so up down out
over under key name names address addresses list site sites access denied requested requires required ready
available failed failure failing success successful unexpected expected invalid valid expired missing unable
unknown empty wrong closed open opened refused reset reached connect connecting connected write read reading
sent send receive received time timed message words word line number value values verify hostname mismatch
alert handshake protocol record peer remote shutdown eof end permission such directory operation exist exists
support supported sorry temporary try later contact administrator system status ready node portal user users
password username sign log logout secure information copyright rights reserved com net org test example
invalid maintenance offline under construction works configuration configured default
cluster interface primary secondary standby backup master replica passive active prod production dev develop
development staging stage qa uat live disaster recovery east west north south vip slb gslb dmz round robin
weighted sticky made desktop desktops laptop client clients host hosts computer administrator
"""

KEPT = frozenset(
    " ".join((_PRODUCT, _HTTP, _COOKIES, _CERTIFICATE, _DESKTOP, _ENGLISH)).replace("-", " ").split()
)

# What makes a dotted word in foreign text a name rather than a file or a version. Names that the report is
# about are known from their own fields and need not end in one of these.
_TOP_LEVEL = """
com net org edu gov mil int info biz eu de at ch uk us fr nl be lu it es pt pl cz sk hu ro bg gr se no fi
    dk ie is ru ua tr il in cn jp kr au nz ca br mx ar za ae sa sg hk tw my th id ph vn asia cloud app dev tech
    local lan corp intra intranet internal home priv private ad company gmbh bank swiss test example invalid
    localdomain arpa
"""
TOP_LEVEL = frozenset(_TOP_LEVEL.split())
# Last labels that nobody owns (RFC 6761, 6762, 8375, 9476 and custom): they stay, the structure shows.
_RESERVED_LAST = "localhost localdomain local test example invalid internal intranet lan home corp arpa"
RESERVED_LAST = frozenset(_RESERVED_LAST.split())
