"""Files to rows and rows back to workbooks."""
