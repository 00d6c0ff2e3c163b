"""The built-in rules and a team's own rules."""
