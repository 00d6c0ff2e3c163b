"""Fault injection for launches: killed launchers and lost responses, compared with a naive one."""
