"""Charts as Vega-Lite specs: plain data in the page that the bundled script draws."""
