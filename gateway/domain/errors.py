"""Exceptions mean a broken promise; everything that may be expected to happen is a value.

GatewayError
├── ConfigurationError      a setting is missing, contradictory or unsafe
│   └── NotConfigured       a platform has no endpoint
├── ContractError           a connector broke the rules of ``gateway.contract``
│   └── ConnectorFault      a connector raised, or gave what its contract does not know; says where, never with what
├── InputError              a file or table cannot be read at all; carries what to do about it
├── StoreError              the store refused or lost something it had promised to hold
└── TransportFailure        no usable answer came back
    ├── NotSent             nothing left this machine (DNS, connect, TLS, pool): safe to send again
    └── Unanswered          the request may have arrived (time-out, reset, deadline): outcome unknown
"""


class GatewayError(Exception):
    """Root of all errors raised on purpose; its text never contains a person's data."""


class ConfigurationError(GatewayError):
    """A setting is missing, contradictory or unsafe. The text names the setting."""


class NotConfigured(ConfigurationError):
    """A platform has no endpoint: it is simply not used here."""


class ContractError(GatewayError):
    """A connector broke the contract, for example by answering for another number of items than were sent."""


class ConnectorFault(ContractError):
    """A connector raised, or gave a value its contract does not know. The text is a class and a place in its code."""


class InputError(GatewayError):
    """A file or source cannot be read as a batch. The text names file, sheet, row or column and the rule."""


class StoreError(GatewayError):
    """The store cannot keep a promise: wrong schema version, key missing, state changed outside the table."""


class TransportFailure(GatewayError):
    """No usable answer. ``code`` is stable (``connect``, ``tls``, ``read_timeout``, ``deadline`` …)."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code


class NotSent(TransportFailure):
    """Nothing left this machine, so sending again cannot double anything."""


class Unanswered(TransportFailure):
    """The request may have been received and carried out; only the platform knows."""


def alone(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first of several errors that tasks side by side ended with, where all are ours; else the group as it is.

    A store that fails makes every task of a run end, each with the same words.
    """
    found: list[BaseException] = []
    for one in group.exceptions:
        inner = alone(one) if isinstance(one, BaseExceptionGroup) else one
        found.append(inner)
    return found[0] if all(isinstance(one, GatewayError) for one in found) else group
