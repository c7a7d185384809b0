"""Operations wing: evidence, retention, backup, metrics, report, and why a certificate is where it is."""
