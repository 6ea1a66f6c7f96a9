"""Flights from New York: will a departure arrive more than 15 minutes late?"""
