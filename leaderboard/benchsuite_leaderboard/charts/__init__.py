"""Charts as Vega-Lite specs: plain data that a page carries and the bundled script draws."""
