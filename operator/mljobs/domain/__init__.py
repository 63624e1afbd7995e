"""The pure core: naming, translate, decide, project, the rules of a spec, and the port to a job service."""
