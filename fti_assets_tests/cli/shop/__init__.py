"""A small system for the tests of the command line: will a visit end in an order?"""
