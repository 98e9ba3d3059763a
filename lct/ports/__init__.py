"""What a plugin must be, one short file each; and what a bus needs of a port."""
