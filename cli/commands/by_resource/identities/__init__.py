"""With the verbs and flags of `az ml`: a module for each kind of resource."""
