"""Who comes in, and with what right: keys and tokens, roles, quotas, revocations, and the audit trail of it all."""
