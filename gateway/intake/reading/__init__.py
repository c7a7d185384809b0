"""Files to rows: opens what cities send, finds the form in it, and reads each row, or says why not."""
