"""One exchange over HTTP that ends in time: the request, the connection, the answer.

May import: engine, text, exceptions, types, version.
"""
