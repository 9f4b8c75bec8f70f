"""The stream processors of ORCH, and what runs, feeds, audits and shows them. README.md beside this file is the map."""
