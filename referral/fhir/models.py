"""The models of fhir.resources (R4B): a second, independent reading of every resource.

Our own walk over the tables of R4 comes first and says more, and says it plainly. What these models refuse
beyond it is refused as well, so that no single table decides alone what gets in.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from referral.fhir.problems import Issue

_PLAIN = {
    "extra_forbidden": "is not an element of this type",
    "missing": "is missing",
    "string_pattern_mismatch": "is not written as this type wants it",
    "value_error": "is not a valid value",
}


@cache
def model(resource_type: str) -> type[BaseModel]:
    """The model of one type; its module is imported on first use, because all of them take seconds."""
    module = importlib.import_module(f"fhir.resources.R4B.{resource_type.lower()}")
    found: type[BaseModel] = getattr(module, resource_type)
    return found


def model_issues(resource: dict[str, Any]) -> list[Issue]:
    """What the model of the resource's type refuses; the type has to be one that is served."""
    name: str = resource["resourceType"]
    try:
        model(name).model_validate(resource)
    except ValidationError as error:
        return [_issue(name, dict(found)) for found in error.errors(include_url=False, include_input=False)]
    except (LookupError, AttributeError, ImportError, TypeError):
        # A contained resource of a type that R4 has and R4B lacks makes its models raise KeyError; other
        # surprises reach us as TypeError. Whatever it is, it is not a resource that can be read.
        return [
            Issue(f"{name} contains a resource of a type that is not supported.", (name,), "not-supported")
        ]
    except RecursionError:
        return [Issue(f"{name} is nested too deeply.", (name,), "too-long")]
    return []


def _issue(name: str, found: dict[str, Any]) -> Issue:
    expression = name + "".join(
        f"[{step}]" if isinstance(step, int) else f".{str(step)[:64]}" for step in found["loc"]
    )
    kind = str(found["type"])
    text = _PLAIN.get(kind, f"is refused ({kind.replace('_', ' ')})")
    code = "required" if kind == "missing" else "structure" if kind == "extra_forbidden" else "value"
    return Issue(f"{expression} {text}.", (expression,), code)
