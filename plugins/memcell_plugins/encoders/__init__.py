"""Encoders: what stands between an application's features and the memory."""
