"""Events as functions receive them, and typed events: pydantic models with the name of the event they describe."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from .errors import DefinitionError, EventValidationError
from .names import check_event_name

D_co = TypeVar("D_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Generic[D_co]):
    """A named, immutable fact, as a function receives it."""

    id: str
    name: str
    data: D_co  # the EventModel of the trigger, else the decoded data
    time: datetime  # when the run became eligible (a wait: when the event was ingested); UTC
    key: str | None = None  # partition key


class EventModel(BaseModel):
    """Base of typed events: ``class OrderCreated(bgjobs.EventModel, name="order/created")``.

    The data is checked when the event is sent and again when a function receives it, since others may have sent it.
    """

    event_name: ClassVar[str] = ""

    @classmethod
    def __pydantic_init_subclass__(cls, name: str | None = None, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if name is not None:
            cls.event_name = check_event_name(name, f"The event name of {cls.__name__}")

    def __init_subclass__(cls, name: str | None = None, **kwargs: Any) -> None:
        # Takes `name=` away from pydantic, which would keep it as a setting of the model; it comes again above.
        super().__init_subclass__(**kwargs)

    def event_data(self) -> dict[str, Any]:
        """The data to send.

        Raises:
            EventValidationError: fields were changed to something that the model does not allow.
        """
        data = self.model_dump(by_alias=True, warnings=False)
        read_event_data(type(self), data)
        return data


ModelT = TypeVar("ModelT", bound=EventModel)


def read_event_data(model: type[ModelT], data: Any) -> ModelT:
    """The data of an event as its model.

    Raises:
        EventValidationError: says which fields do not fit, without their values.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(('data', *map(str, problem['loc'])))}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise EventValidationError(name_of(model), problems) from None


def name_of(model: type[EventModel]) -> str:
    """The event name of a model.

    Raises:
        DefinitionError: it has none.
    """
    if not model.event_name:
        raise DefinitionError(
            f"{model.__name__} has no event name.",
            remedy=f'Give it one: class {model.__name__}(bgjobs.EventModel, name="order/created").',
        )
    return model.event_name
