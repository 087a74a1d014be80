"""How the board is filled: a method and a clip become a record, stage by stage through files."""
