"""The settings that point a gateway at the simulated platform, with times short enough to watch."""

from __future__ import annotations

import base64
import json

from connectors.provincial_credit.sandbox.http import Credentials, Profile


def environment(url: str, credentials: Credentials, profile: Profile) -> dict[str, str]:
    """Names without prefix -> values."""
    keys = {name: base64.b64encode(key).decode() for name, key in credentials.field_keys.items()}
    made = {
        "ENDPOINT": url,
        "APP_KEY": credentials.app_key,
        "APP_SECRET": credentials.app_secret,
        "FIELD_KEY": keys["field-1"],
        "FIELD_KEY_ID": credentials.field_key_id,
        "FIELD_KEYS": json.dumps({"field-2": keys["field-2"]}),
        "FIELD_ALG": profile.field_alg,
        "SIGNATURE_ALG": profile.algorithm,
        "ANSWERS": profile.envelope or "problem",
        "FEEDBACK_BY": "cursor" if profile.feed else "pages",
        "PAGE_DISTANCE_SECONDS": "0",
        "MIN_INTERVAL_SECONDS": "0",
        "BATCH_MAX": "20",
        "CONNECTIONS": "4",
        "DEADLINE_SECONDS": "10",
        "RETRY_SECONDS": "[0.5, 0.5, 1, 1, 2, 2]",
        "RETRY_THEN_SECONDS": "2",
        "POLL_SECONDS": "[0.3, 0.3, 0.5, 0.5, 1]",
        "POLL_THEN_SECONDS": "1",
        "SETTLING_SECONDS": "[0.5, 0.5, 1, 1]",
    }
    if profile.algorithm != "SM2-SM3":
        return made
    public = {name: pair.public for name, pair in credentials.platform.items()}
    return made | {
        "SIGNING_KEY": credentials.caller.private,
        "SIGNING_KEY_ID": "caller-1",
        "SIGNATURE_FORM": "der" if profile.der else "raw",
        "PLATFORM_KEYS": json.dumps(public),
        "PLATFORM_KEY_ID": "platform-1",
        "ENCRYPTED_BODIES": "true" if profile.encrypted else "false",
    }
