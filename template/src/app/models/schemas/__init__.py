"""What goes over the wire: validated on the way in, documented with examples, typed on the way out."""
