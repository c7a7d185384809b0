"""What a connector author reads: the values that cross the border (messages) and the methods to write (connector)."""
