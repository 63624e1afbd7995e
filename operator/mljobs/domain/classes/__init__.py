"""JobClasses: which one a resource has, what it gives, what it lays under a spec, whose turn it is. Pure."""
