"""Why a message could not be sent, in words of our own.

Texts of exceptions and of receivers may repeat an address or a password, so none of them is ever passed on:
only codes, and what our side calls them.
"""

from __future__ import annotations

import os
import smtplib
import socket
import ssl
import urllib.error
from http.client import responses

from medallion_assets.alerts.outbox import Outcome, Result

# The receiver speaks of the request's right to be there, or of its own state, not of what it says.
OF_THE_CHANNEL = frozenset({401, 402, 403, 404, 405, 407, 408, 410, 421, 425, 429, 451})


class Unset(Exception):
    """An environment variable that should hold a secret does not; its message is ours and may be shown."""


def outcome_of(error: BaseException) -> Outcome:
    """What a failed try means for the message."""
    if isinstance(error, urllib.error.HTTPError):
        return Outcome(_of_status(error.code), f"HTTP {error.code} {responses.get(error.code, '')}".strip())
    if isinstance(error, smtplib.SMTPDataError):
        refused = error.smtp_code >= 500
        return Outcome(Result.REFUSED if refused else Result.FAILED, f"SMTP {error.smtp_code} on the message")
    return Outcome(Result.FAILED, _told(error))


def _of_status(code: int) -> Result:
    if code in (500, 501):
        return Result.CHOKED
    return Result.REFUSED if 400 <= code < 500 and code not in OF_THE_CHANNEL else Result.FAILED


def _told(error: BaseException) -> str:
    match error:
        case Unset():
            return str(error)
        case urllib.error.URLError() if isinstance(error.reason, BaseException):
            return _told(error.reason)
        case smtplib.SMTPRecipientsRefused():
            codes = sorted({code for code, _ in error.recipients.values()})
            return f"SMTP {', '.join(map(str, codes))} to every recipient"
        case smtplib.SMTPResponseException():
            return f"SMTP {error.smtp_code}"
        case ssl.SSLCertVerificationError():
            return f"TLS: the certificate was not accepted (OpenSSL code {error.verify_code})"
        case ssl.SSLError():
            return "TLS: no secure connection could be made"
        case TimeoutError():
            return "timed out"
        case socket.gaierror():
            return "the host's name was not found"
        case OSError() if error.errno:
            return os.strerror(error.errno)
        case _:
            return type(error).__name__
