from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.template import loader

from credentials.middleware import request_id


def server_error(request: HttpRequest) -> HttpResponse:
    """The page for our own mistakes. It asks nothing of the database, which may be what is broken."""
    page = loader.get_template("500.html")
    return HttpResponseServerError(page.render({"request_id": request_id(request)}))
