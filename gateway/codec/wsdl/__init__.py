"""Two descriptions of one SOAP service compared: a reader of WSDL 1.1 and XML Schema, and the rules of what breaks."""
