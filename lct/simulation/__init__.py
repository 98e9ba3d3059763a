"""The whole house against a venue that fails as real ones do, by seed: what is tried, what held, what broke."""
