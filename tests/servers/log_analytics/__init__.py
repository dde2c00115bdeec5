"""A stand-in for Log Analytics' query API: tables that a test fills, asked in a part of KQL."""
