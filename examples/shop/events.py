"""What happens in the shop. The web code sends these; the jobs listen for them."""

import bgjobs


class SignedUp(bgjobs.EventModel, name="user/signed-up"):
    """Somebody made an account."""

    email: str


class OrderPlaced(bgjobs.EventModel, name="order/placed"):
    """Somebody bought something."""

    order_id: str
    email: str
    cents: int
    items: list[str]


class AlbumUploaded(bgjobs.EventModel, name="album/uploaded"):
    """Somebody uploaded pictures, and two halves of a panorama for the cover."""

    album_id: str
    pictures: list[str]


class DocumentAdded(bgjobs.EventModel, name="document/added"):
    """Somebody added a text to be summarised."""

    document_id: str
    chapters: list[str]
