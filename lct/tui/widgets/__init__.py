"""The panels of the dashboard: each is a pure function from a view to rows, and a table that draws them."""
