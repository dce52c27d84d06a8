"""One exchange over HTTP that ends in time: the request, the connection, the answer.

It imports the engine, and what that imports.
"""
