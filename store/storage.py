"""Object storage that speaks S3: where it is, who asks, and what is said when it refuses.

Credentials and address come from the variables AWS_... and from the files of the AWS tools. They appear in no message,
no log and no file.
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from calcigraph.errors import InputError, StorageError
from calcigraph.late import extra_module

EXTRA = "s3"
RETRY_S = 120.0
"""How long a request is repeated while a storage that has answered does not, as long as statements to a Neo4j are."""
FIRST_S = 5.0
"""The same for one that has not answered yet, or not the last time: its address may be wrong, or it is gone."""
_REQUEST_S = 300
"""Longest time of one request: a piece of a file on a slow line."""
_LOGIN = re.compile(r"403|401|InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied|ExpiredToken")
_Pairs = tuple[tuple[str, str], ...]
_answered = False
"""Whether the storage answered the last request."""
_REGION = re.compile(r"PermanentRedirect|AuthorizationHeaderMalformed|incorrectly configured region")
_CODES = (re.compile(r"<Code>(\w+)</Code>"), re.compile(r"status code: (\d{3}[ \w]*)"))


def library() -> Any:
    """obstore. Raises MissingExtraError."""
    return extra_module("obstore", "a workspace on object storage (s3://) is read and written", EXTRA)


def bucket(name: str) -> Any:
    """The store of a bucket, for functions of obstore. Raises MissingExtraError, InputError for a wrong AWS_PROFILE."""
    said = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
    return _opened(name, RETRY_S if _answered else FIRST_S, tuple(sorted(_settings().items())), said)


@lru_cache(maxsize=8)
def _opened(name: str, retry_s: float, settings: _Pairs, said: _Pairs) -> Any:
    """Made once for what the environment says, which the library reads by itself."""
    library()
    for variable in [name for name, value in said if not value]:
        os.environ.pop(variable, None)  # it means "not set", which the library does not know: it would panic
    chosen = dict(settings)
    return extra_module("obstore.store", "a workspace on object storage is read", EXTRA).S3Store(
        name,
        client_options={
            "allow_http": chosen.get("endpoint", "").startswith("http://"),
            "connect_timeout": timedelta(seconds=5),
            "timeout": timedelta(seconds=_REQUEST_S),
        },
        retry_config={
            "max_retries": 1000,
            "retry_timeout": timedelta(seconds=retry_s),
            "backoff": {
                "init_backoff": timedelta(milliseconds=100),
                "max_backoff": timedelta(seconds=5),
                "base": 2,
            },
        },
        **chosen,
    )


def _settings() -> dict[str, str]:
    """What obstore does not read from the environment by itself."""
    profile = {} if os.environ.get("AWS_ACCESS_KEY_ID") and endpoint() else _profile()
    found = {"region": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or profile.get("region")}
    found["endpoint"] = endpoint() or profile.get("endpoint_url")
    if not os.environ.get("AWS_ACCESS_KEY_ID"):
        names = {"access_key_id": "aws_access_key_id", "secret_access_key": "aws_secret_access_key"}
        names["session_token"] = "aws_session_token"
        found |= {ours: profile.get(theirs) for ours, theirs in names.items()}
    found["region"] = found["region"] or "us-east-1"  # which storage of one's own does not ask for
    return {name: value for name, value in found.items() if value}


def endpoint() -> str | None:
    """The address that the environment names; None for that of AWS."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def _profile() -> Mapping[str, str]:
    """What the files of the AWS tools say of AWS_PROFILE, or of "default". Raises InputError for no such profile."""
    name = os.environ.get("AWS_PROFILE") or "default"
    parser = configparser.RawConfigParser()
    files = [
        os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config",
        os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials",
    ]
    try:
        parser.read([Path(file).expanduser() for file in files], encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise InputError(f"the files of the AWS tools ({' and '.join(files)}) cannot be read") from error
    sections = [each for each in (f"profile {name}", name) if parser.has_section(each)]
    found = {key: value for each in sections for key, value in parser.items(each)}
    if not sections and os.environ.get("AWS_PROFILE"):
        raise InputError(f"AWS_PROFILE is {name!r}: {' and '.join(files)} have no such profile")
    if "aws_access_key_id" not in found and not found.keys().isdisjoint({"sso_session", "sso_start_url", "role_arn"}):
        raise InputError(
            f"profile {name!r} of the AWS tools logs in by a role or by a browser, which calcigraph cannot: put what "
            f"`aws configure export-credentials --profile {name} --format env` prints into the environment"
        )
    return found


@contextmanager
def asking(place: object) -> Iterator[None]:
    """Say in one line what went wrong with a request for an object.

    Raises FileNotFoundError for no such object, FileExistsError where the condition of a request does not hold,
    StorageError else.
    """
    global _answered
    errors = library().exceptions
    try:
        yield
        _answered = True
    except (errors.AlreadyExistsError, errors.PreconditionError):
        raise FileExistsError(f"{place} is not as it was") from None
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):
            raise _refused(place, str(error)) from None
        raise FileNotFoundError(f"{place} is not there") from None
    except (errors.BaseError, OSError) as error:
        raise _refused(place, str(error)) from None


def _refused(place: object, text: str) -> StorageError:
    """What the library says at length, in one line and without addresses that it asked for a login."""
    global _answered
    bucket_name = str(place).removeprefix("s3://").partition("/")[0]
    at = _address()
    code = next((found[1].strip() for found in (each.search(text) for each in _CODES) if found), "")
    if "NoSuchBucket" in text:
        return StorageError(
            f"there is no bucket {bucket_name!r} at {at}: make it first, or name another with --workspace"
        )
    if "169.254.169.254" in text or "credential" in text.lower().partition("debug source")[0]:
        return StorageError(
            f"no login for s3://{bucket_name} at {at}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        )
    if _REGION.search(text):
        return StorageError(f"bucket {bucket_name!r} is in another region than the one that is asked: set AWS_REGION")
    if code and _LOGIN.search(text.partition("Debug source")[0]):
        return StorageError(
            f"s3://{bucket_name} at {at} refused the login ({code}): check AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, and that they may list, read, write and delete there"
        )
    if code:
        return StorageError(f"{at} refused what was asked of {place} ({code}): repeat the command, or ask its operator")
    _answered = False
    return StorageError(
        f"object storage {at} does not answer (asked for {place}): check AWS_ENDPOINT_URL and the network, and repeat "
        "the command"
    )


def _address() -> str:
    """Of the storage, without a login."""
    parts = urlsplit(_settings().get("endpoint", "https://s3.amazonaws.com"))
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
