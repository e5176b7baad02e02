"""redbot on one URL: the status in the first line, then a line for each note, with its level in front."""

import sys
from configparser import ConfigParser

import thor
from redbot.resource import HttpResource

settings = ConfigParser()
settings.read_dict({"redbot": {"enable_local_access": "True"}})
resource = HttpResource(settings["redbot"])
resource.set_request(sys.argv[1])


@thor.events.on(resource)
def check_done() -> None:
    thor.stop()


resource.check()
thor.run()

response = resource.response
print(response.status_code_str if hasattr(response, "status_code_str") else response.status_code)
for note in response.notes:
    print(f"{note.level.name} {note.summary}")
