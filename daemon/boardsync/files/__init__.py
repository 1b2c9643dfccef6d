"""Durable writing, snapshots and digests."""
