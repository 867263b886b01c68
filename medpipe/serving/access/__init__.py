"""Who may ask the service, for what, and how often.

`Guard` stands in front of the whole application; `Porter` says who a request is from, by an API
key (`keyring`), a token of the building's own identity provider (`tokens`), or, where neither is
set up, by its coming from this very machine (`machine`). Which scope a route needs stands in
`routes`.
"""

from medpipe.serving.access.caller import Caller
from medpipe.serving.access.guard import Guard
from medpipe.serving.access.porter import Porter, at
from medpipe.serving.access.routes import OPEN

__all__ = ["OPEN", "Caller", "Guard", "Porter", "at"]
