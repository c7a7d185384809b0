"""The national construction market platform as a connector: the class for the dialect and profile of its settings.

Transport, signing, codes and how sure each point is stand in this folder's README.
"""

from __future__ import annotations

from connectors.national_market import tables
from connectors.national_market.settings import NationalMarketSettings
from gateway.contract.connector import Connector
from gateway.settings import Loader


def build(load: Loader) -> Connector:
    """Return the connector; zeep is loaded on the first encoding."""
    settings = load(NationalMarketSettings)
    tables.check_folder(settings.code_folder)
    if settings.dialect == "X":
        return build_xml_string(settings)
    from connectors.national_market.login import TokenMarket
    from connectors.national_market.typed import NationalMarket

    return TokenMarket(settings) if settings.profile == "T" else NationalMarket(settings)


def build_xml_string(settings: NationalMarketSettings) -> Connector:
    """The connector of the configured dialect file; one that can be asked where the file names a reading call."""
    from connectors.national_market.description import lists_tables
    from connectors.national_market.dialect import load_dialect
    from connectors.national_market.xmllisting import ListedXmlStringMarket
    from connectors.national_market.xmlstring import ReadableXmlStringMarket, XmlStringMarket

    dialect = load_dialect(settings.dialect_file)
    if dialect.read is None:
        return XmlStringMarket(settings, dialect)
    readable = ListedXmlStringMarket if lists_tables(settings, dialect) else ReadableXmlStringMarket
    return readable(settings, dialect, dialect.read)
