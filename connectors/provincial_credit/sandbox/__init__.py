"""The simulated provincial credit platform, written from the contract alone (see the connector's README)."""

from connectors.provincial_credit.sandbox.platform import ProvincialCreditSandbox as ProvincialCreditSandbox

build = ProvincialCreditSandbox
