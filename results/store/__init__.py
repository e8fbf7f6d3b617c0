"""The run store: a folder for each run, tables first, `manifest.json` last; without a manifest it is not complete."""
