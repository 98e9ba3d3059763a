"""Everything that can be said in the house: one file per speaker, typed, frozen, msgpack on the wire."""
