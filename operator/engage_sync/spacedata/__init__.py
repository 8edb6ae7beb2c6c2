"""Workplace's space data workbook: the template, and what a filled one says."""
