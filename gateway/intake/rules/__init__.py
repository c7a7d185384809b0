"""Pure rules of the intake wing: the gates of the notice and admission."""
