"""Results that others send: packed, checked, and placed among the board's."""
