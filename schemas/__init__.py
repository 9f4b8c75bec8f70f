"""Every event of the log, as frozen and strict models. `registry` says what lies where, `event` is the envelope."""
