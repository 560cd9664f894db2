"""Data: files to tables, tables to arrays, arrays to batches."""
