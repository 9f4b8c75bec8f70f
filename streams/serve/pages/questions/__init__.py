"""One question: asking, page, feedback, proof."""
