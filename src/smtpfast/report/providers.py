"""Whose server it is, by its host name."""

from __future__ import annotations

from typing import Final

# The domains of the names that providers' MX records have, or that their customers enter there;
# from what postmasters know of them, not asked of the DNS. Names as in
# rules/signals/providers.toml, where they stand there.
PROVIDERS: Final = {
    "1and1.com": "IONOS",
    "1and1.co.uk": "IONOS",
    "amazonaws.com": "Amazon",
    "barracudanetworks.com": "Barracuda",
    "comcast.net": "Comcast",
    "emailsrvr.com": "Rackspace",
    "free.fr": "Free",
    "gmx.net": "GMX",
    "google.com": "Google",
    "googlemail.com": "Google",
    "hornetsecurity.com": "Hornetsecurity",
    "hotmail.com": "Microsoft",
    "icloud.com": "Apple",
    "ionos.com": "IONOS",
    "ionos.de": "IONOS",
    "iphmx.com": "Cisco",
    "kundenserver.de": "IONOS",
    "laposte.net": "La Poste",
    "mail.ru": "Mail.ru",
    "messagelabs.com": "Symantec",
    "messagingengine.com": "Fastmail",
    "mimecast.co.za": "Mimecast",
    "mimecast.com": "Mimecast",
    "mx.microsoft": "Microsoft",
    "naver.com": "Naver",
    "netease.com": "NetEase",
    "orange.fr": "Orange",
    "outlook.com": "Microsoft",
    "ovh.net": "OVH",
    "pphosted.com": "Proofpoint",
    "ppe-hosted.com": "Proofpoint",
    "protonmail.ch": "Proton",
    "qq.com": "QQ",
    "rambler.ru": "Rambler",
    "secureserver.net": "GoDaddy",
    "seznam.cz": "Seznam",
    "t-online.de": "T-Online",
    "trendmicro.com": "Trend Micro",
    "web.de": "WEB.DE",
    "yahoodns.net": "Yahoo",
    "yandex.net": "Yandex",
    "yandex.ru": "Yandex",
    "zoho.com": "Zoho",
    "zoho.eu": "Zoho",
}


def provider_of(host: str | None) -> str | None:
    """The provider whose servers are called so; None for a host of somebody else."""
    domain = (host or "").rstrip(".").lower()
    if not domain.isascii():
        return None
    # No name of the table has more labels.
    for labels in (2, 3):
        name = ".".join(domain.rsplit(".", labels)[-labels:])
        if name in PROVIDERS:
            return PROVIDERS[name]
    return None
