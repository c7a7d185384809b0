"""National construction market platform (全国建筑市场监管公共服务平台): persons and certificates over SOAP."""
