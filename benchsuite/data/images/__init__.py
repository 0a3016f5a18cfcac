"""Images read from files while training: decoding, resizing, packing and streaming."""
