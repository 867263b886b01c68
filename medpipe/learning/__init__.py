"""Fits a network, on one processor or many, and goes on where a killed training stood."""
