"""Where the processors run. `contract.py` is what every runtime promises; each folder is one runtime."""
