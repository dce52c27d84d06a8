"""The page: a run as HTML, for people; made in Python from the status and the history, with one template.

``page`` answers the request, ``head``, ``flags``, ``processes`` and ``history`` write one part of the page each, with
the shapes and words of ``states``, ``plot``, ``words`` and ``markup``; ``page.html`` is the template, with all of the
style and of the script.
"""
