"""Launchers killed and answers lost: how many jobs are paid for twice?"""
