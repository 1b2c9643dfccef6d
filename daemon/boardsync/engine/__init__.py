"""Observes, decides, records, carries out and agrees: order and lifetime."""
