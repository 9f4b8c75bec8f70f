"""Where the processors run: each folder is one runtime. `streams/log.py` is what each of them promises."""
