"""``gateway init``: make or upgrade the store and its keys."""

from __future__ import annotations

from gateway.cli.output import AsJson, emit, opened, say


def init(as_json: AsJson = False) -> None:
    """Create or upgrade the store; without GATEWAY_KEYS a key ring is made in GATEWAY_HOME."""
    with opened(create=True) as gateway:
        url = gateway.store.engine.url.render_as_string(hide_password=True)
        keys = "GATEWAY_KEYS" if gateway.settings.keys else str(gateway.settings.home / "keys.json")
        document = {"store": url, "keys": keys, "platforms": gateway.platforms}
        if as_json:
            emit(document)
            return
        say(f"store ready: {url}")
        say(f"keys:        {keys} (keep a copy apart from the store; without them nothing personal can be read)")
        say(f"platforms:   {', '.join(gateway.platforms)}")
