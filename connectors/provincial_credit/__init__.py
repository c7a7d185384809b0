"""Connector of the provincial credit platform (山东省住房城乡建设服务监管与信用信息综合平台): REST and JSON."""
