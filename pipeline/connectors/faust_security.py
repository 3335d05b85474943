"""librdkafka's names of security settings, as the credentials Faust wants.

One setting, `kafka_security`, serves both client libraries. What has no equal here is refused by name rather than
ignored: a connection less safe than asked for is worse than none.
"""

import ssl
from collections.abc import Mapping

from faust.auth import SASLCredentials, SSLCredentials

from pipeline.errors import SettingsError

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
VERIFY = {"enable.ssl.certificate.verification", "ssl.endpoint.identification.algorithm"}
TLS = {"ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.key.password"} | VERIFY
SASL = {"sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.password"}


def credentials(security: Mapping[str, str]) -> SSLCredentials | SASLCredentials | None:
    """Faust's credentials for librdkafka's settings; None for a plain connection.

    Raises: SettingsError naming the setting that is unknown, or that has a value Faust cannot serve.
    """
    protocol = security.get("security.protocol", "PLAINTEXT").upper()
    mechanism = security.get("sasl.mechanism", security.get("sasl.mechanisms", "PLAIN"))
    _refuse("", sorted(set(security) - TLS - SASL - {"security.protocol"}))
    _refuse("security.protocol=", [protocol] if protocol not in PROTOCOLS else [])
    _refuse("sasl.mechanism=", [mechanism] if mechanism not in MECHANISMS else [])
    context = _context(security) if protocol.endswith("SSL") else None
    if protocol.startswith("SASL"):
        return SASLCredentials(
            username=security.get("sasl.username"),
            password=security.get("sasl.password"),
            mechanism=mechanism,
            ssl_context=context,
        )
    return SSLCredentials(context) if context else None


def _refuse(what: str, wrong: list[str]) -> None:
    if wrong:
        raise SettingsError(f"TAILRACE_KAFKA_SECURITY: workers cannot use {what}{', '.join(wrong)}")


def _context(security: Mapping[str, str]) -> ssl.SSLContext:
    """TLS as librdkafka does it: the broker is verified unless that is switched off; a certificate of ours is optional."""
    try:
        context = ssl.create_default_context(cafile=security.get("ssl.ca.location"))
        if "ssl.certificate.location" in security:
            certificate, key = security["ssl.certificate.location"], security.get("ssl.key.location")
            context.load_cert_chain(certificate, key, security.get("ssl.key.password"))
        verified = security.get("enable.ssl.certificate.verification", "true").lower() == "true"
        context.check_hostname = verified and security.get("ssl.endpoint.identification.algorithm", "https") != "none"
        context.verify_mode = ssl.CERT_REQUIRED if verified else ssl.CERT_NONE
    except OSError as error:
        raise SettingsError(f"TAILRACE_KAFKA_SECURITY: {error}") from error
    return context
