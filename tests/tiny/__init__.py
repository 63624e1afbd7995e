"""A second job service, as small as one can be: proof that nothing but a backend knows its service.

It names jobs itself, so that a second create call makes a second job; its lists lag behind; its jobs' labels
cannot be changed, and they have no IAM policy. `CONTRIBUTING.md` shows a new backend by its files.
"""
