"""The documentation as a site: docs/, the pages it links to, and the reference made of the code."""
