"""One question explained: everything the log says, joined along the causes."""
