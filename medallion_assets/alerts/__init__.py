"""Alerts: from what went wrong to messages that arrive, without Dagster.

`happening` says what was seen, `ledger` what of it is news, `digest` gathers news into one message, `outbox`
keeps it until it is delivered, `render` writes it and `channels` sends it. Looking into Dagster is not done
here (automation/alerts.py).
"""
