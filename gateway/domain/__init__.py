"""The pure core: values and rules of the standard library only. No clock, no random number, no input or output."""
