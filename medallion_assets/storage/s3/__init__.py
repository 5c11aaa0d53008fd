"""The store on an S3-compatible bucket. Nothing in here is imported for a store in a folder.

Belongs here: the place on a bucket (bucket.py), its writers' and sweepers' protocols, requests, copies on
this machine. Does not: what every place promises (../place.py).
"""
