"""The training management system (住房城乡建设行业从业人员培训管理信息系统), reached by handing over files or rows."""
