"""Why the bundled engines cannot run; every message is one sentence for the person who started them."""


class EngineError(RuntimeError):
    """The engines cannot be started or do not answer."""


class DataDirectoryInUse(EngineError):
    """Another process runs on this data directory; attach to it through `running_addresses`."""
