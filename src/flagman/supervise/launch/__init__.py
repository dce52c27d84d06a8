"""How an instance is started, and where its output goes.

``launch`` starts one; ``program`` finds the file to run, ``steps`` plans what has to happen before, and ``shim`` does
that, in a process that becomes the instance. ``report`` says which of these steps has failed.

``capture`` takes its output in, of which ``ring`` keeps the last. ``to_log`` passes it on to the log, where ``budget``
leaves room for others, and ``to_file`` to a file.
"""
