"""The site's pages: one module per kind of page, each of which yields (path within the site, text)."""
