"""The classes of events, one file for each noun: the source of the schemas in `contracts/events/`."""
