"""Whole or not: pure checks of file formats. Bytes in, verdict out."""
