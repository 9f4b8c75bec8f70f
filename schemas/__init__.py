"""
Event models of the log, frozen and strict.

`registry` lists the kinds of each topic; `event` is the envelope.
"""
