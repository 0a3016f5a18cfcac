"""Images read from files during training: decoding, resizing, packing and streaming."""
